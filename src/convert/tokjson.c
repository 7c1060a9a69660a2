/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline is checked first, then ids are placed, then merges are checked against the
 * tokens; nothing is sized by a number from the file before that number was limited. */
#include "convert/tokjson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char MODULE[] = "tokenizer.json";

/* Kinds of tokens in tokenizer.ggml.token_type. */
enum { NORMAL = 1, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5 };

enum { SHOWN = 60 /* bytes of a text in a message */ };

static int shown(ti_str s)
{
    return s.len < SHOWN ? (int)s.len : SHOWN;
}

static uint64_t at_of(const ti_jval *v)
{
    return v ? v->at : TI_NO_OFFSET;
}

static tern_status corrupt(tern_err *err, const ti_jval *v, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, MODULE, at_of(v), "%s", what);
}

static bool is_true(const ti_jval *v)
{
    return v && v->type == TI_JBOOL && v->u.boolean;
}

/* --- pipeline ---------------------------------------------------------------------------- */

static tern_status unsupported(tern_err *err, const ti_jval *v, const char *part)
{
    const ti_jval *type = ti_jval_get(v, "type");
    ti_str name = {"?", 1};
    if (type && type->type == TI_JSTR) {
        name = type->u.str;
    }
    return ti_fail(err, TERN_UNSUPPORTED, MODULE, at_of(v), "%s '%.*s' is not supported", part,
                   shown(name), name.data);
}

/* Options of the BPE model that would make other tokens. */
static tern_status check_model(const ti_jval *model, tern_err *err)
{
    static const char *const empty[] = {"dropout", "continuing_subword_prefix",
                                        "end_of_word_suffix"};
    const ti_jval *type = ti_jval_get(model, "type");
    if (!model || model->type != TI_JOBJECT) {
        return corrupt(err, model, "there is no model");
    }
    if (!ti_jval_is(type, "BPE") && (type || !ti_jval_get(model, "merges"))) {
        return unsupported(err, model, "model");
    }
    if (is_true(ti_jval_get(model, "byte_fallback"))) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, model->at,
                       "a SentencePiece vocabulary (byte_fallback) is not supported");
    }
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        const ti_jval *v = ti_jval_get(model, empty[i]);
        double d;
        if (!ti_jval_none(v) && !ti_jval_is(v, "") && !(ti_jval_num(v, &d) && d == 0)) {
            return ti_fail(err, TERN_UNSUPPORTED, MODULE, v->at, "%s is not supported",
                           empty[i]);
        }
    }
    return TERN_OK;
}

static tern_status check_pipeline(ti_tokjson *t, const ti_jval *root, tern_err *err)
{
    const ti_jval *model = ti_jval_get(root, "model");
    const ti_jval *normalizer = ti_jval_get(root, "normalizer");
    const ti_jval *decoder = ti_jval_get(root, "decoder");
    TI_TRY(check_model(model, err));
    if (!ti_jval_none(normalizer) && !ti_jval_is(ti_jval_get(normalizer, "type"), "NFC")) {
        return unsupported(err, normalizer, "normalizer");
    }
    if (!ti_jval_is(ti_jval_get(decoder, "type"), "ByteLevel")) {
        return unsupported(err, decoder, "decoder");
    }
    return ti_tokjson_pre(&t->pre, ti_jval_get(root, "pre_tokenizer"),
                          is_true(ti_jval_get(model, "ignore_merges")), err);
}

/* --- tokens ------------------------------------------------------------------------------ */

/* One entry of added_tokens. */
typedef struct added {
    ti_str text;
    uint32_t id;
    bool control;
} added;

/* Special tokens, and those that look like one: "<|fim_prefix|>" written by a user must not
 * become the marker. */
static bool looks_special(ti_str s)
{
    return s.len > 4 && memcmp(s.data, "<|", 2) == 0 &&
           memcmp(s.data + s.len - 2, "|>", 2) == 0;
}

static int by_text(const void *a, const void *b)
{
    const added *x = a, *y = b;
    size_t n = x->text.len < y->text.len ? x->text.len : y->text.len;
    int c = memcmp(x->text.data, y->text.data, n);
    return c ? c : (x->text.len > y->text.len) - (x->text.len < y->text.len);
}

static tern_status read_added_token(added *out, const ti_jval *v, tern_err *err)
{
    static const char *const stripping[] = {"lstrip", "rstrip", "single_word"};
    const ti_jval *content = ti_jval_get(v, "content");
    uint64_t id;
    if (!content || content->type != TI_JSTR || content->u.str.len == 0) {
        return corrupt(err, v, "an added token has no content");
    }
    out->text = content->u.str;
    if (!ti_jval_uint(ti_jval_get(v, "id"), TI_TOKJSON_MAX_TOKENS - 1, &id)) {
        return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "added token '%.*s' has no id",
                       shown(out->text), out->text.data);
    }
    for (size_t i = 0; i < sizeof stripping / sizeof stripping[0]; i++) {
        if (is_true(ti_jval_get(v, stripping[i]))) {
            return ti_fail(err, TERN_UNSUPPORTED, MODULE, v->at,
                           "added token '%.*s': %s is not supported", shown(out->text),
                           out->text.data, stripping[i]);
        }
    }
    out->id = (uint32_t)id;
    out->control = is_true(ti_jval_get(v, "special")) || looks_special(out->text);
    return TERN_OK;
}

/* Reads added_tokens, sorted by text. */
static tern_status read_added(added **out, uint32_t *n, ti_arena *arena, const ti_jval *list,
                              tern_err *err)
{
    *n = 0;
    *out = NULL;
    if (ti_jval_none(list)) {
        return TERN_OK;
    }
    if (list->type != TI_JARRAY) {
        return corrupt(err, list, "added_tokens is no list");
    }
    added *items = ti_arena_calloc(arena, list->n, sizeof *items);
    if (!items) {
        return ti_fail_nomem(err, MODULE, list->n * sizeof *items, "added tokens");
    }
    for (uint32_t i = 0; i < list->n; i++) {
        TI_TRY(read_added_token(&items[i], &list->u.items[i], err));
    }
    if (list->n > 0) {
        qsort(items, list->n, sizeof *items, by_text);
    }
    for (uint32_t i = 1; i < list->n; i++) {
        if (by_text(&items[i - 1], &items[i]) == 0) {
            return ti_fail(err, TERN_CORRUPT, MODULE, list->at,
                           "added token '%.*s' is there twice", shown(items[i].text),
                           items[i].text.data);
        }
    }
    *out = items;
    *n = list->n;
    return TERN_OK;
}

/* Checks ids of the vocabulary and returns the largest of all. */
static tern_status largest_id(uint32_t *out, const ti_jval *vocab, const added *extra,
                              uint32_t n_extra, tern_err *err)
{
    uint64_t top = 0, id;
    for (uint32_t i = 0; i < vocab->n; i++) {
        const ti_jmember *m = &vocab->u.members[i];
        if (!ti_jval_uint(&m->value, TI_TOKJSON_MAX_TOKENS - 1, &id)) {
            return ti_fail(err, TERN_CORRUPT, MODULE, m->value.at, "token '%.*s' has no id",
                           shown(m->key), m->key.data);
        }
        top = id > top ? id : top;
    }
    for (uint32_t i = 0; i < n_extra; i++) {
        top = extra[i].id > top ? extra[i].id : top;
    }
    *out = (uint32_t)top;
    return TERN_OK;
}

static tern_status place(ti_tokjson *t, uint32_t id, ti_str text, int32_t type, tern_err *err)
{
    if (t->tokens[id].data) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       "id %u belongs to '%.*s' and to '%.*s'", id, shown(t->tokens[id]),
                       t->tokens[id].data, shown(text), text.data);
    }
    t->tokens[id] = text;
    t->types[id] = type;
    return TERN_OK;
}

static tern_status place_added(ti_tokjson *t, const ti_jval *vocab, const added *a,
                               tern_err *err)
{
    int32_t type = a->control ? CONTROL : USER_DEFINED;
    const ti_jval *same = ti_jval_getn(vocab, a->text);
    if (!same) {
        return place(t, a->id, a->text, type, err);
    }
    if (same->u.integer != (int64_t)a->id) {
        return ti_fail(err, TERN_CORRUPT, MODULE, same->at,
                       "token '%.*s' has id %lld in the vocabulary and %u in added_tokens",
                       shown(a->text), a->text.data, (long long)same->u.integer, a->id);
    }
    t->types[a->id] = type;
    return TERN_OK;
}

/* Names the ids that have no token. */
static tern_status fill_holes(ti_tokjson *t, ti_arena *arena, const ti_jval *vocab,
                              tern_err *err)
{
    char text[24];
    for (uint32_t id = 0; id < t->n; id++) {
        if (t->tokens[id].data) {
            continue;
        }
        int len = snprintf(text, sizeof text, "[PAD%u]", id);
        ti_str name = {ti_arena_strndup(arena, text, (size_t)len), (size_t)len};
        if (!name.data) {
            return ti_fail_nomem(err, MODULE, (uint64_t)len, "a token");
        }
        if (ti_jval_getn(vocab, name)) {
            return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                           "id %u has no token, and its stand-in '%s' is a token", id, text);
        }
        t->tokens[id] = name;
        t->types[id] = UNUSED;
    }
    return TERN_OK;
}

static tern_status size_tokens(ti_tokjson *t, ti_arena *arena, uint32_t top, uint32_t n_known,
                               uint32_t n_vocab, tern_err *err)
{
    if (n_vocab && top >= n_vocab) {
        return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                       "token %u of a model that has %u tokens", top, n_vocab);
    }
    t->n = n_vocab ? n_vocab : top + 1;
    if (t->n > n_known && t->n - n_known > TI_TOKJSON_MAX_HOLES) {
        return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                       "%u of %u ids have no token, the limit is %d", t->n - n_known, t->n,
                       TI_TOKJSON_MAX_HOLES);
    }
    t->tokens = ti_arena_calloc(arena, t->n, sizeof *t->tokens);
    t->types = ti_arena_calloc(arena, t->n, sizeof *t->types);
    if (!t->tokens || !t->types) {
        return ti_fail_nomem(err, MODULE, t->n * (sizeof *t->tokens + sizeof *t->types),
                             "tokens");
    }
    return TERN_OK;
}

static tern_status read_tokens(ti_tokjson *t, ti_arena *arena, const ti_jval *root,
                               uint32_t n_vocab, tern_err *err)
{
    const ti_jval *vocab = ti_jval_get(ti_jval_get(root, "model"), "vocab");
    added *extra = NULL;
    uint32_t n_extra = 0, top = 0;
    if (!vocab || vocab->type != TI_JOBJECT || vocab->n == 0) {
        return corrupt(err, vocab, "the model has no vocab");
    }
    TI_TRY(read_added(&extra, &n_extra, arena, ti_jval_get(root, "added_tokens"), err));
    TI_TRY(largest_id(&top, vocab, extra, n_extra, err));
    TI_TRY(size_tokens(t, arena, top, vocab->n + n_extra, n_vocab, err));
    for (uint32_t i = 0; i < vocab->n; i++) {
        const ti_jmember *m = &vocab->u.members[i];
        if (m->key.len == 0) {
            return corrupt(err, &m->value, "a token is empty");
        }
        TI_TRY(place(t, (uint32_t)m->value.u.integer, m->key, NORMAL, err));
    }
    for (uint32_t i = 0; i < n_extra; i++) {
        TI_TRY(place_added(t, vocab, &extra[i], err));
    }
    return fill_holes(t, arena, vocab, err);
}

/* --- merges ------------------------------------------------------------------------------ */

static tern_status bad_merge(tern_err *err, const ti_jval *v, uint32_t i, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, MODULE, v->at, "merge %u %s", i, what);
}

/* Takes one merge apart: "left right", or ["left", "right"]. */
static bool split_merge(const ti_jval *v, ti_str *left, ti_str *right)
{
    if (v->type == TI_JARRAY && v->n == 2 && v->u.items[0].type == TI_JSTR &&
        v->u.items[1].type == TI_JSTR) {
        *left = v->u.items[0].u.str;
        *right = v->u.items[1].u.str;
    } else if (v->type == TI_JSTR && v->u.str.len > 0) {
        const char *space = memchr(v->u.str.data, ' ', v->u.str.len);
        size_t at = space ? (size_t)(space - v->u.str.data) : 0;
        *left = (ti_str){v->u.str.data, at};
        *right = (ti_str){v->u.str.data + at + 1, v->u.str.len - at - 1};
    } else {
        return false;
    }
    /* Byte-level tokens write a space as another character, so that one in a part is a lie. */
    return left->len > 0 && right->len > 0 && !memchr(left->data, ' ', left->len) &&
           !memchr(right->data, ' ', right->len);
}

/* Puts "left right" into the arena and checks that the parts and the whole are tokens. */
static tern_status read_merge(ti_str *out, ti_arena *arena, const ti_jval *vocab,
                              const ti_jval *v, uint32_t i, tern_err *err)
{
    ti_str left, right;
    if (!split_merge(v, &left, &right)) {
        return bad_merge(err, v, i, "is not two parts");
    }
    size_t len = left.len + right.len + 1;
    char *text = ti_arena_alloc(arena, len);
    if (!text) {
        return ti_fail_nomem(err, MODULE, len, "a merge");
    }
    memcpy(text, left.data, left.len);
    memcpy(text + left.len, right.data, right.len);
    bool known = ti_jval_getn(vocab, left) && ti_jval_getn(vocab, right) &&
                 ti_jval_getn(vocab, (ti_str){text, len - 1});
    if (!known) {
        return bad_merge(err, v, i, "is made of or makes something that is no token");
    }
    text[left.len] = ' ';
    memcpy(text + left.len + 1, right.data, right.len);
    *out = (ti_str){text, len};
    return TERN_OK;
}

static tern_status read_merges(ti_tokjson *t, ti_arena *arena, const ti_jval *root,
                               tern_err *err)
{
    const ti_jval *model = ti_jval_get(root, "model");
    const ti_jval *merges = ti_jval_get(model, "merges");
    if (!merges || merges->type != TI_JARRAY) {
        return corrupt(err, model, "the model has no merges");
    }
    t->merges = ti_arena_calloc(arena, merges->n, sizeof *t->merges);
    if (!t->merges) {
        return ti_fail_nomem(err, MODULE, merges->n * sizeof *t->merges, "merges");
    }
    for (uint32_t i = 0; i < merges->n; i++) {
        TI_TRY(read_merge(&t->merges[i], arena, ti_jval_get(model, "vocab"),
                          &merges->u.items[i], i, err));
    }
    t->n_merges = merges->n;
    return TERN_OK;
}

/* --- special tokens and template -----------------------------------------------------------
 */

/* The id of a token by its text; -1 when there is none. */
static int64_t find_token(const ti_jval *root, ti_str text)
{
    const ti_jval *list = ti_jval_get(root, "added_tokens");
    for (uint32_t i = 0; list && list->type == TI_JARRAY && i < list->n; i++) {
        const ti_jval *content = ti_jval_get(&list->u.items[i], "content");
        if (content->u.str.len == text.len &&
            memcmp(content->u.str.data, text.data, text.len) == 0) {
            return ti_jval_get(&list->u.items[i], "id")->u.integer;
        }
    }
    const ti_jval *id = ti_jval_getn(ti_jval_get(ti_jval_get(root, "model"), "vocab"), text);
    return id ? id->u.integer : -1;
}

/* bos_token and the like: a string, or an object with its content. */
static tern_status read_special(int64_t *out, const ti_jval *root, const ti_jval *config,
                                const char *key, tern_err *err)
{
    const ti_jval *v = ti_jval_get(config, key);
    *out = -1;
    if (v && v->type == TI_JOBJECT) {
        v = ti_jval_get(v, "content");
    }
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    if (v->type != TI_JSTR || (*out = find_token(root, v->u.str)) < 0) {
        return ti_fail(err, TERN_CORRUPT, "tokenizer_config", v->at,
                       "%s is no token of the vocabulary", key);
    }
    return TERN_OK;
}

/* What a TemplateProcessing puts at one end of a text: nothing, or the token `*id`. */
static tern_status read_end(int *add, int64_t *id, const ti_jval *root, const ti_jval *item,
                            tern_err *err)
{
    const ti_jval *text = ti_jval_get(ti_jval_get(item, "SpecialToken"), "id");
    if (!text || text->type != TI_JSTR) {
        return corrupt(err, item, "post_processor: unknown part of a template");
    }
    int64_t found = find_token(root, text->u.str);
    if (found < 0 || (*id >= 0 && found != *id)) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, text->at,
                       "post_processor: '%.*s' is neither begin nor end of text",
                       shown(text->u.str), text->u.str.data);
    }
    *id = found;
    *add = 1;
    return TERN_OK;
}

/* [begin-of-text] A [end-of-text] */
static tern_status read_template(ti_tokjson *t, const ti_jval *root, const ti_jval *processor,
                                 tern_err *err)
{
    const ti_jval *single = ti_jval_get(processor, "single");
    uint32_t n = single && single->type == TI_JARRAY ? single->n : 0, text = 0;
    while (text < n && !ti_jval_get(&single->u.items[text], "Sequence")) {
        text++;
    }
    if (text >= n || text > 1 || n - text > 2) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, at_of(processor),
                       "post_processor: more than a token at each end of a text");
    }
    t->add_bos = t->add_eos = 0;
    if (text == 1) {
        TI_TRY(read_end(&t->add_bos, &t->bos, root, &single->u.items[0], err));
    }
    if (n - text == 2) {
        TI_TRY(read_end(&t->add_eos, &t->eos, root, &single->u.items[text + 1], err));
    }
    return TERN_OK;
}

static tern_status read_processor(ti_tokjson *t, const ti_jval *root, const ti_jval *v,
                                  tern_err *err)
{
    const ti_jval *type = ti_jval_get(v, "type");
    if (ti_jval_none(v) || ti_jval_is(type, "ByteLevel")) {
        return TERN_OK; /* ByteLevel here only moves offsets */
    }
    return ti_jval_is(type, "TemplateProcessing") ? read_template(t, root, v, err)
                                                  : unsupported(err, v, "post_processor");
}

static tern_status read_processors(ti_tokjson *t, const ti_jval *root, tern_err *err)
{
    const ti_jval *v = ti_jval_get(root, "post_processor");
    const ti_jval *list = ti_jval_get(v, "processors");
    if (!ti_jval_is(ti_jval_get(v, "type"), "Sequence") || !list || list->type != TI_JARRAY) {
        return read_processor(t, root, v, err);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        TI_TRY(read_processor(t, root, &list->u.items[i], err));
    }
    return TERN_OK;
}

static void read_add(int *add, const ti_jval *config, const char *key)
{
    const ti_jval *v = ti_jval_get(config, key);
    if (*add < 0 && v && v->type == TI_JBOOL) {
        *add = v->u.boolean;
    }
}

/* A text, or a list of named ones of which "default" is taken. */
static tern_status read_chat_template(ti_str *out, const ti_jval *config, tern_err *err)
{
    const ti_jval *v = ti_jval_get(config, "chat_template");
    if (v && v->type == TI_JARRAY) {
        const ti_jval *list = v;
        v = NULL;
        for (uint32_t i = 0; i < list->n; i++) {
            if (ti_jval_is(ti_jval_get(&list->u.items[i], "name"), "default")) {
                v = ti_jval_get(&list->u.items[i], "template");
            }
        }
    }
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    if (v->type != TI_JSTR) {
        return ti_fail(err, TERN_CORRUPT, "tokenizer_config", v->at,
                       "chat_template is no text");
    }
    if (v->u.str.len > TI_TOKJSON_MAX_TEMPLATE_BYTES) {
        return ti_fail(err, TERN_LIMIT, "tokenizer_config", v->at,
                       "chat_template has %zu bytes, the limit is %d", v->u.str.len,
                       TI_TOKJSON_MAX_TEMPLATE_BYTES);
    }
    *out = v->u.str;
    return TERN_OK;
}

tern_status ti_tokjson_read(ti_tokjson *out, ti_arena *arena, const ti_jval *tokenizer,
                            const ti_jval *config, uint32_t n_vocab, tern_err *err)
{
    ti_tokjson t = {.add_bos = -1, .add_eos = -1};
    if (tokenizer->type != TI_JOBJECT || (config && config->type != TI_JOBJECT)) {
        return corrupt(err, tokenizer, "not an object");
    }
    TI_TRY(check_pipeline(&t, tokenizer, err));
    TI_TRY(read_tokens(&t, arena, tokenizer, n_vocab, err));
    TI_TRY(read_merges(&t, arena, tokenizer, err));
    TI_TRY(read_special(&t.bos, tokenizer, config, "bos_token", err));
    TI_TRY(read_special(&t.eos, tokenizer, config, "eos_token", err));
    /* Padding is for training in batches; a model answers as well without it. */
    if (read_special(&t.pad, tokenizer, config, "pad_token", NULL) != TERN_OK) {
        t.pad = -1;
    }
    TI_TRY(read_processors(&t, tokenizer, err));
    read_add(&t.add_bos, config, "add_bos_token");
    read_add(&t.add_eos, config, "add_eos_token");
    TI_TRY(read_chat_template(&t.chat_template, config, err));
    *out = t;
    return TERN_OK;
}

void ti_tokjson_put(ti_gguf_writer *w, const ti_tokjson *t)
{
    ti_gguf_put_str(w, "tokenizer.ggml.model", "gpt2", 4);
    ti_gguf_put_str(w, "tokenizer.ggml.pre", t->pre, strlen(t->pre));
    ti_gguf_put_strs(w, "tokenizer.ggml.tokens", t->tokens, t->n);
    ti_gguf_put_i32s(w, "tokenizer.ggml.token_type", t->types, t->n);
    ti_gguf_put_strs(w, "tokenizer.ggml.merges", t->merges, t->n_merges);
    if (t->bos >= 0) {
        ti_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)t->bos);
    }
    if (t->eos >= 0) {
        ti_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", (uint32_t)t->eos);
    }
    if (t->pad >= 0) {
        ti_gguf_put_u32(w, "tokenizer.ggml.padding_token_id", (uint32_t)t->pad);
    }
    if (t->add_bos >= 0) {
        ti_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", t->add_bos > 0);
    }
    if (t->add_eos >= 0) {
        ti_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", t->add_eos > 0);
    }
    if (t->chat_template.data) {
        ti_gguf_put_str(w, "tokenizer.chat_template", t->chat_template.data,
                        t->chat_template.len);
    }
}
