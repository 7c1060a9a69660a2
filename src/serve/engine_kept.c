/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of earlier requests, and of those that run: whoever begins with the same
 * tokens copies them instead of computing them.  The bits are the same either way.
 *
 * A kept session is found by its tokens.  The least recently used ones give way when memory for
 * a new request is needed, and one that is the beginning of another has no use. */
#include <string.h>

#include "serve/engine_parts.h"

uint64_t ti_engine_session_bytes(const ti_serve_engine *e, uint32_t n_ctx)
{
    return ti_home_session_bytes(&e->home, n_ctx, e->opts.kv);
}

static uint64_t bytes_of(const ti_serve_engine *e, const tern_session *s)
{
    return ti_engine_session_bytes(e, s->n_ctx);
}

static size_t common(const tern_token *a, const tern_token *b, size_t n)
{
    size_t i = 0;
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* --- what is kept ---------------------------------------------------------------------------
 */

/* Takes a kept session out of the list. */
static tern_session *take_out(ti_serve_engine *e, uint32_t i)
{
    tern_session *s = e->kept[i].session;
    e->kept_bytes -= bytes_of(e, s);
    e->kept[i] = e->kept[--e->n_kept];
    return s;
}

/* Forgets the one that was not used for longest, but not `spared`.  False if there is none. */
static bool forget_oldest(ti_serve_engine *e, const tern_session *spared)
{
    uint32_t oldest = e->n_kept;
    for (uint32_t i = 0; i < e->n_kept; i++) {
        bool older = oldest == e->n_kept || e->kept[i].used < e->kept[oldest].used;
        if (e->kept[i].session != spared && older) {
            oldest = i;
        }
    }
    if (oldest == e->n_kept) {
        return false;
    }
    tern_session_destroy(take_out(e, oldest));
    return true;
}

void ti_engine_forget(ti_serve_engine *e)
{
    while (forget_oldest(e, NULL)) {
    }
}

static uint64_t kept_limit(const ti_serve_engine *e)
{
    enum { PART = 4 }; /* what is kept is real memory, while sessions use theirs as they grow */
    uint64_t limit = e->opts.cache_bytes, all = e->kv_limit;
    if (limit == UINT64_MAX) {
        return 0;
    }
    return limit == 0 ? all / PART : limit < all ? limit : all;
}

/* A session that was made for a long answer and got a short one is copied into a small one,
 * where there is room for both during the copy. */
static tern_session *shrink(ti_serve_engine *e, tern_session *s)
{
    uint32_t n_ctx = (uint32_t)ti_round_up(s->n_done, TI_SERVE_ROUND);
    tern_session *small = NULL;
    if (n_ctx > s->n_ctx - s->n_ctx / 4 ||
        e->active_bytes + e->kept_bytes + ti_engine_session_bytes(e, n_ctx) > e->kv_limit ||
        ti_home_session(&small, &e->home, n_ctx, e->opts.kv, NULL) != TERN_OK) {
        return s;
    }
    if (ti_session_adopt(small, s, s->n_done) == 0) {
        tern_session_destroy(small);
        return s;
    }
    tern_session_destroy(s);
    return small;
}

/* Keeps a session, or destroys it. */
static void keep(ti_serve_engine *e, tern_session *s)
{
    if (s->n_done < TI_SERVE_SHARED_LEAST || kept_limit(e) == 0) {
        tern_session_destroy(s);
        return;
    }
    tern_status cut = tern_session_truncate(s, s->n_done, NULL);
    TI_ASSERT(cut == TERN_OK); /* to what it has */
    cut = tern_session_set_grammar(s, NULL, NULL);
    TI_ASSERT(cut == TERN_OK); /* none needs no memory */
    s = shrink(e, s);
    for (uint32_t i = e->n_kept; i-- > 0;) { /* the beginning of the new one */
        const tern_session *old = e->kept[i].session;
        if (old->n_done <= s->n_done &&
            common(old->tokens, s->tokens, old->n_done) == old->n_done) {
            tern_session_destroy(take_out(e, i));
        }
    }
    uint64_t bytes = bytes_of(e, s);
    while (e->n_kept == TI_SERVE_KEPT_MAX || e->kept_bytes + bytes > kept_limit(e)) {
        if (!forget_oldest(e, NULL)) {
            tern_session_destroy(s);
            return;
        }
    }
    e->kept[e->n_kept++] = (ti_kept){.session = s, .used = ++e->clock};
    e->kept_bytes += bytes;
}

void ti_engine_take_back(ti_serve_engine *e, ti_serve_job *job, bool worth)
{
    e->active_bytes -= job->bytes;
    job->bytes = 0;
    for (uint32_t i = 0; i < job->n_choices; i++) {
        tern_session *s = job->choices[i].session;
        job->choices[i].session = NULL;
        if (s && i == 0 && worth && !job->request.private_prompt) {
            keep(e, s);
        } else {
            tern_session_destroy(s);
        }
    }
}

/* --- a new request --------------------------------------------------------------------------
 */

/* The session that has most of the beginning of a prompt, and how much. */
typedef struct source {
    tern_session *session; /* NULL = none */
    uint32_t kept;         /* its place, or n_kept if it is at work */
    size_t n;
} source;

static void look(source *best, tern_session *s, uint32_t at, const ti_serve_job *job)
{
    /* The last token is always computed: its logits are needed. */
    size_t most = job->n_prompt - 1 < s->n_done ? job->n_prompt - 1 : s->n_done;
    size_t n = common(job->prompt, s->tokens, most);
    if (n >= TI_SERVE_SHARED_LEAST && n > best->n && !ti_kv_lost(&s->kv, n - 1)) {
        *best = (source){.session = s, .kept = at, .n = n};
    }
}

static source find_source(const ti_serve_engine *e, const ti_serve_job *job)
{
    source best = {.kept = e->n_kept};
    if (job->request.private_prompt) {
        return best;
    }
    for (uint32_t i = 0; i < e->n_kept; i++) {
        look(&best, e->kept[i].session, i, job);
    }
    for (uint32_t i = 0; i < e->n_active; i++) {
        const ti_serve_job *other = e->active[i];
        if (!other->request.private_prompt) {
            look(&best, other->choices[0].session, e->n_kept, job);
        }
    }
    return best;
}

static bool fits(const ti_serve_engine *e, uint64_t need)
{
    return need <= e->kv_limit && e->active_bytes + e->kept_bytes <= e->kv_limit - need;
}

/* Makes room for `need` bytes, if possible without what is to be copied. */
static void make_room(ti_serve_engine *e, uint64_t need, source *from)
{
    bool kept = from->session && from->kept < e->n_kept;
    while (!fits(e, need)) {
        if (!forget_oldest(e, kept ? from->session : NULL)) {
            if (!kept) {
                return;
            }
            kept = false;
            *from = (source){.kept = e->n_kept};
        }
    }
    from->kept = e->n_kept; /* places have changed */
    for (uint32_t i = 0; i < e->n_kept; i++) {
        if (e->kept[i].session == from->session) {
            from->kept = i;
        }
    }
}

static tern_status create_rest(ti_serve_engine *e, ti_serve_job *job, tern_err *err)
{
    for (uint32_t i = 0; i < job->n_choices; i++) {
        ti_choice *c = &job->choices[i];
        if (!c->session) {
            TI_TRY(ti_home_session(&c->session, &e->home, job->capacity, e->opts.kv, err));
        }
    }
    return TERN_OK;
}

static void destroy_all(ti_serve_job *job)
{
    for (uint32_t i = 0; i < job->n_choices; i++) {
        tern_session_destroy(job->choices[i].session);
        job->choices[i].session = NULL;
    }
}

/* Takes a kept session for the first choice when nothing of it would be left over: no copy. */
static void take_over(ti_serve_engine *e, ti_serve_job *job, const source *from)
{
    tern_session *s = from->session;
    if (s && from->kept < e->n_kept && s->n_done == from->n && s->n_ctx == job->capacity) {
        job->choices[0].session = take_out(e, from->kept);
    }
}

tern_status ti_engine_make_sessions(ti_serve_engine *e, ti_serve_job *job, bool *fit,
                                    tern_err *err)
{
    uint64_t need = ti_engine_session_bytes(e, job->capacity) * job->n_choices;
    *fit = need <= e->kv_limit && e->active_bytes <= e->kv_limit - need;
    if (!*fit) {
        return TERN_OK;
    }
    source from = find_source(e, job);
    make_room(e, need, &from);
    bool at_work = from.session && from.kept == e->n_kept;
    take_over(e, job, &from);
    tern_status status = create_rest(e, job, err);
    if (status == TERN_NOMEM && e->n_kept > 0) { /* what is kept is the first to go */
        destroy_all(job);
        ti_engine_forget(e);
        from = at_work ? from : (source){.session = NULL};
        from.kept = e->n_kept;
        status = create_rest(e, job, err);
    }
    if (status != TERN_OK) {
        destroy_all(job);
        return status;
    }
    tern_session *first = job->choices[0].session;
    if (from.session && first != from.session) {
        from.n = ti_session_adopt(first, from.session, from.n);
        if (from.kept < e->n_kept) {
            e->kept[from.kept].used = ++e->clock;
        }
    }
    job->n_read = from.session ? from.n : 0;
    job->usage.cached_tokens = job->n_read;
    job->bytes = need;
    e->active_bytes += need;
    return TERN_OK;
}

/* --- requests that come together -------------------------------------------------------------
 */

bool ti_engine_follow(ti_serve_engine *e, uint32_t at)
{
    ti_serve_job *job = e->active[at];
    for (uint32_t i = 0; i < at && !job->request.private_prompt; i++) {
        const ti_serve_job *other = e->active[i];
        tern_session *theirs = other->choices[0].session, *own = job->choices[0].session;
        size_t most = other->n_prompt < job->n_prompt - 1 ? other->n_prompt : job->n_prompt - 1;
        size_t n = common(job->prompt, other->prompt, most);
        if (other->request.private_prompt || n < job->n_read + TI_SERVE_SHARED_LEAST) {
            continue;
        }
        if (other->n_read < n) {
            return true;
        }
        if (ti_kv_lost(&theirs->kv, n - 1)) {
            continue;
        }
        if (theirs->kv.has_ring && !own->kv.has_ring) {
            continue; /* nothing can be taken over from a ring */
        }
        tern_status cut = tern_session_truncate(own, 0, NULL);
        TI_ASSERT(cut == TERN_OK);
        size_t before = job->n_read;
        job->n_read = ti_session_adopt(own, theirs, n);
        job->usage.cached_tokens =
            job->n_read > 0 ? job->usage.cached_tokens + job->n_read - before : 0;
        return false;
    }
    return false;
}
