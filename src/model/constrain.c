/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with a grammar. */
#include <stdlib.h>

#include "model/matcher.h"
#include "model/session.h"
#include "model/tok.h"

static const char module[] = "grammar";

struct ti_constraint {
    ti_matcher *matcher;
    uint64_t left; /* tokens that may still be chosen; UINT64_MAX = any number */
    bool ended;
};

void ti_constraint_free(ti_constraint *c)
{
    if (c) {
        ti_matcher_destroy(c->matcher);
        free(c);
    }
}

uint64_t ti_constraint_bytes(const ti_constraint *c)
{
    return c ? sizeof *c + ti_matcher_bytes(c->matcher) : 0;
}

tern_status tern_session_set_grammar(tern_session *session, const tern_grammar *grammar,
                                     tern_err *err)
{
    ti_constraint *made = NULL;
    if (grammar) {
        const ti_trie *trie;
        TI_TRY(ti_vocab_trie(&trie, session->model->vocab, err));
        made = ti_calloc(1, sizeof *made);
        if (!made) {
            return ti_fail_nomem(err, module, sizeof *made, "a grammar's state");
        }
        made->left = UINT64_MAX;
        tern_status status = ti_matcher_create(&made->matcher, grammar, trie, NULL, err);
        if (status != TERN_OK) {
            free(made);
            return status;
        }
    }
    ti_constraint_free(session->constraint);
    session->constraint = made;
    return TERN_OK;
}

uint64_t tern_session_grammar_rest(const tern_session *session)
{
    const ti_constraint *c = session->constraint;
    return c && !c->ended ? ti_matcher_rest(c->matcher) : 0;
}

void tern_session_grammar_limit(tern_session *session, uint64_t tokens)
{
    if (session->constraint) {
        session->constraint->left = tokens;
    }
}

void tern_session_grammar_finish(tern_session *session)
{
    tern_session_grammar_limit(session, tern_session_grammar_rest(session) + 1);
}

tern_status ti_constraint_mask(ti_constraint *c, const uint64_t **mask, tern_err *err)
{
    if (c->ended) {
        return ti_fail(err, TERN_USAGE, module, TI_NO_OFFSET,
                       "the text of the grammar has ended");
    }
    return ti_matcher_mask(c->matcher, c->left, mask, err);
}

tern_status ti_constraint_take(ti_constraint *c, const tern_model *model, tern_token token,
                               tern_err *err)
{
    bool fits = true;
    size_t len;
    const char *bytes = tern_model_token_bytes(model, token, &len);
    c->left -= c->left > 0 && c->left != UINT64_MAX;
    if (tern_model_token_ends(model, token)) {
        c->ended = true;
        return TERN_OK;
    }
    TI_TRY(ti_matcher_read(c->matcher, bytes, len, &fits, err));
    TI_ASSERT(fits); /* it was in the mask */
    return TERN_OK;
}
