/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/relay.h"

#include <string.h>

#include "carbon/basis.h"

/* --- a request ------------------------------------------------------------------------------
 */

/* Adds the texts of a message's content, which is one text or a list of parts. */
static void add_content(ti_buf *out, const ti_jval *content)
{
    if (content && content->type == TI_JSTR) {
        ti_buf_add(out, content->u.str.data, content->u.str.len);
    }
    for (uint32_t i = 0; content && content->type == TI_JARRAY && i < content->n; i++) {
        const ti_jval *text = ti_jval_get(&content->u.items[i], "text");
        if (text && text->type == TI_JSTR) {
            ti_buf_adds(out, out->len ? "\n" : "");
            ti_buf_add(out, text->u.str.data, text->u.str.len);
        }
    }
}

static bool read_messages(ti_relay_ask *a, ti_arena *arena, ti_refusal *why)
{
    const ti_jval *list = ti_jval_get(&a->root, "messages");
    ti_buf text = {0};
    bool failed = false;
    if (!list || list->type != TI_JARRAY || list->n == 0) {
        return ti_refuse(why, "messages", "missing_required_parameter",
                         "'messages' must be a list that is not empty");
    }
    for (uint32_t i = list->n; i-- > 0;) {
        const ti_jval *m = &list->u.items[i];
        if (m->type != TI_JOBJECT) {
            ti_buf_free(&text);
            return ti_refuse(why, "messages", "invalid_type", "a message must be an object");
        }
        ti_buf_clear(&text);
        add_content(&text, ti_jval_get(m, "content"));
        a->message_bytes += text.len;
        if (!a->question.data && ti_jval_is(ti_jval_get(m, "role"), "user") && text.len > 0) {
            char *copy = ti_arena_strndup(arena, text.data, text.len);
            failed |= !copy;
            a->question = (ti_str){copy, text.len};
        }
    }
    failed |= text.failed;
    ti_buf_free(&text);
    if (failed) {
        ti_refusal_of(why, TERN_NOMEM, NULL);
        return false;
    }
    if (!a->question.data) {
        a->question = (ti_str){"", 0};
    }
    return true;
}

static bool read_text(const char **out, ti_arena *arena, const ti_jval *in, const char *key,
                      ti_refusal *why)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JSTR) {
        return ti_refuse(why, key, "invalid_type", "'%s' must be a text", key);
    }
    *out = ti_arena_strndup(arena, v->u.str.data, v->u.str.len);
    if (!*out) {
        ti_refusal_of(why, TERN_NOMEM, NULL);
    }
    return *out != NULL;
}

static bool read_bool(bool *out, const ti_jval *in, const char *key, ti_refusal *why)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JBOOL) {
        return ti_refuse(why, key, "invalid_type", "'%s' must be true or false", key);
    }
    *out = v->u.boolean;
    return true;
}

static bool read_count(uint64_t *out, const ti_jval *in, const char *key, uint64_t max,
                       ti_refusal *why)
{
    const ti_jval *v = ti_jval_get(in, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (!ti_jval_uint(v, max, out) || *out == 0) {
        return ti_refuse(why, key, "invalid_value", "'%s' must be a whole number from 1 to %u",
                         key, (unsigned)max);
    }
    return true;
}

bool ti_relay_read(ti_relay_ask *out, ti_arena *arena, const char *text, size_t len,
                   ti_refusal *why)
{
    ti_relay_ask a = {.text = {text, len}, .model = "", .choices = 1};
    tern_err err = {0};
    tern_status status = ti_jval_parse(&a.root, arena, text, len, "request", &err);
    if (status == TERN_NOMEM) {
        ti_refusal_of(why, status, &err);
        return false;
    }
    if (status != TERN_OK || a.root.type != TI_JOBJECT) {
        return ti_refuse(why, NULL, "invalid_json", "the body is no JSON object%s%.200s",
                         status ? ": " : "", status ? err.message : "");
    }
    const ti_jval *options = ti_jval_get(&a.root, "stream_options");
    const ti_jval *tern = ti_jval_get(&a.root, "tern");
    if (!ti_jval_none(tern) && tern->type != TI_JOBJECT) {
        return ti_refuse(why, "tern", "invalid_type", "'tern' must be an object");
    }
    bool good =
        read_text(&a.model, arena, &a.root, "model", why) &&
        read_bool(&a.stream, &a.root, "stream", why) &&
        read_bool(&a.include_usage, options, "include_usage", why) &&
        read_count(&a.max_tokens, &a.root, "max_tokens", TI_ASK_TOKENS_MAX, why) &&
        read_count(&a.max_tokens, &a.root, "max_completion_tokens", TI_ASK_TOKENS_MAX, why) &&
        read_count(&a.choices, &a.root, "n", TI_ASK_CHOICES, why) &&
        read_text(&a.deadline, arena, tern, "deadline", why) && read_messages(&a, arena, why);
    if (good) {
        *out = a;
    }
    return good;
}

/* --- copying --------------------------------------------------------------------------------
 */

/* Adds a member as it stands in the text, on one line: line breaks can only be white space. */
static void add_raw(ti_buf *out, const ti_jmember *m, ti_str text)
{
    ti_buf key = {0};
    ti_buf_add(&key, m->key.data, m->key.len);
    ti_buf_adds(&key, "");
    const ti_str value = ti_jval_text(&m->value, text);
    ti_json_raw(out, key.data ? key.data : "", "", 0);
    for (size_t i = 0, from = 0; i <= value.len; i++) {
        bool line = i < value.len && (value.data[i] == '\n' || value.data[i] == '\r');
        if (i == value.len || line) {
            ti_buf_add(out, value.data + from, i - from);
            ti_buf_adds(out, line ? " " : "");
            from = i + 1;
        }
    }
    out->failed |= key.failed;
    ti_buf_free(&key);
}

static bool is_one_of(ti_str key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(names[i]) == key.len && memcmp(names[i], key.data, key.len) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds all members but those. */
static void add_others(ti_buf *out, const ti_jval *root, ti_str text, const char *const *but,
                       size_t n)
{
    for (uint32_t i = 0; i < root->n; i++) {
        if (!is_one_of(root->u.members[i].key, but, n)) {
            add_raw(out, &root->u.members[i], text);
        }
    }
}

void ti_relay_request(ti_buf *out, const ti_relay_ask *ask, const char *model)
{
    static const char *const ours[] = {"model", "stream_options", "tern"};
    ti_json_open(out, NULL, '{');
    ti_json_str(out, "model", model);
    add_others(out, &ask->root, ask->text, ours, sizeof ours / sizeof *ours);
    if (ask->stream) {
        ti_json_open(out, "stream_options", '{');
        ti_json_bool(out, "include_usage", true);
        ti_json_close(out, '}');
    }
    ti_json_close(out, '}');
}

/* --- an answer ------------------------------------------------------------------------------
 */

/* Bytes of all texts in a message or delta; depth is bounded by the parser. */
static size_t said(const ti_jval *v)
{
    size_t sum = 0;
    if (!v) {
        return 0;
    }
    if (v->type == TI_JSTR) {
        return v->u.str.len;
    }
    for (uint32_t i = 0; v->type == TI_JARRAY && i < v->n; i++) {
        sum += said(&v->u.items[i]);
    }
    for (uint32_t i = 0; v->type == TI_JOBJECT && i < v->n; i++) {
        static const char *const names[] = {"role", "type", "id"};
        const ti_jmember *m = &v->u.members[i];
        sum += is_one_of(m->key, names, 3) ? 0 : said(&m->value);
    }
    return sum;
}

static tern_status corrupt(tern_err *err, uint64_t at, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, "upstream", at, "%s", what);
}

static tern_status read_choices(ti_relay_piece *p, tern_err *err)
{
    const ti_jval *list = ti_jval_get(&p->root, "choices");
    if (!list || list->type != TI_JARRAY) {
        return corrupt(err, p->root.at, "an object without choices");
    }
    p->has_choices = list->n > 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const ti_jval *c = &list->u.items[i];
        const ti_jval *message = ti_jval_get(c, "message"), *delta = ti_jval_get(c, "delta");
        if (c->type != TI_JOBJECT || (message && message->type != TI_JOBJECT) ||
            (!ti_jval_none(delta) && delta->type != TI_JOBJECT)) {
            return corrupt(err, c->at, "a choice that is none");
        }
        p->text_bytes += said(message) + said(delta);
        p->ends |= !ti_jval_none(ti_jval_get(c, "finish_reason"));
    }
    return TERN_OK;
}

/* {"error": {"message": ...}} or {"error": "..."}, as some have it. */
static tern_status read_error(const ti_jval *error, tern_err *err)
{
    const ti_jval *m = error->type == TI_JOBJECT ? ti_jval_get(error, "message") : error;
    ti_str text = m && m->type == TI_JSTR ? m->u.str : (ti_str){"it reports an error", 19};
    return ti_fail(err, TERN_UNAVAILABLE, "upstream", TI_NO_OFFSET, "%.*s",
                   (int)(text.len < 200 ? text.len : 200), text.data);
}

tern_status ti_relay_piece_read(ti_relay_piece *out, ti_arena *arena, const char *text,
                                size_t len, tern_err *err)
{
    ti_relay_piece p = {.text = {text, len}};
    TI_TRY(ti_jval_parse(&p.root, arena, text, len, "upstream", err));
    if (p.root.type != TI_JOBJECT) {
        return corrupt(err, 0, "no object");
    }
    const ti_jval *error = ti_jval_get(&p.root, "error");
    if (!ti_jval_none(error)) {
        return read_error(error, err);
    }
    TI_TRY(read_choices(&p, err));
    const ti_jval *usage = ti_jval_get(&p.root, "usage");
    p.has_usage = !ti_jval_none(usage);
    p.in = p.out = UINT64_MAX;
    if (p.has_usage &&
        !(ti_jval_uint(ti_jval_get(usage, "prompt_tokens"), TI_RELAY_TOKENS_MAX, &p.in) &&
          ti_jval_uint(ti_jval_get(usage, "completion_tokens"), TI_RELAY_TOKENS_MAX, &p.out))) {
        p.in = p.out = UINT64_MAX;
    }
    *out = p;
    return TERN_OK;
}

static uint64_t estimate(size_t bytes)
{
    return (bytes + TI_RELAY_BYTES_A_TOKEN - 1) / TI_RELAY_BYTES_A_TOKEN;
}

/* More than a byte a token cannot be read; what was said needs tokens; and who was told a limit
 * keeps it. */
static bool is_possible(const ti_relay_ask *ask, const ti_relay_piece *p, size_t said_bytes)
{
    if (p->in == UINT64_MAX || p->in == 0 || p->in > ask->text.len + TI_RELAY_TOKENS_SLACK) {
        return false;
    }
    uint64_t most = ask->max_tokens > 0 ? ask->max_tokens * ask->choices : TI_RELAY_TOKENS_MAX;
    return p->out <= most && p->out * TI_RELAY_TOKEN_BYTES_MAX >= said_bytes;
}

ti_relay_tokens ti_relay_count(const ti_relay_ask *ask, const ti_relay_piece *piece,
                               size_t said_bytes)
{
    if (piece && piece->has_usage && is_possible(ask, piece, said_bytes)) {
        return (ti_relay_tokens){piece->in, piece->out, true};
    }
    uint64_t in = estimate(ask->message_bytes);
    return (ti_relay_tokens){in > 0 ? in : 1, estimate(said_bytes), false};
}

/* --- what it cost ---------------------------------------------------------------------------
 */

static void add_usage(ti_buf *out, const ti_relay_tokens *tokens)
{
    ti_json_open(out, "usage", '{');
    ti_json_uint(out, "prompt_tokens", tokens->in);
    ti_json_uint(out, "completion_tokens", tokens->out);
    ti_json_uint(out, "total_tokens", tokens->in + tokens->out);
    ti_json_close(out, '}');
}

static void add_energy(ti_buf *out, const ti_relay_cost *c)
{
    if (!c->row->energy_known) {
        ti_json_null(out, "energy");
        return;
    }
    ti_json_open(out, "energy", '{');
    ti_json_uint(out, "energy_uj", c->row->energy_uj);
    ti_json_uint(out, "energy_low_uj", c->row->energy_low_uj);
    ti_json_uint(out, "energy_high_uj", c->row->energy_high_uj);
    ti_json_str(out, "evidence", ti_route_word_name(c->candidate->energy.word));
    if (c->upstream->energy_by) {
        ti_json_str(out, "source", c->upstream->energy_by);
    }
    ti_json_str(out, "tokens", c->tokens.reported ? "reported" : "estimated");
    ti_json_str(out, "upstream", c->upstream->name);
    ti_json_close(out, '}');
}

static void add_carbon(ti_buf *out, const ti_relay_cost *c)
{
    char basis[TI_BASIS_TEXT];
    if (!c->row->grams_known) {
        ti_json_null(out, "carbon");
        return;
    }
    ti_json_open(out, "carbon", '{');
    ti_json_uint(out, "co2_ug", c->row->co2_ug);
    ti_json_uint(out, "co2_low_ug", c->row->co2_low_ug);
    ti_json_uint(out, "co2_high_ug", c->row->co2_high_ug);
    ti_json_uint(out, "energy_uj", c->row->energy_uj);
    ti_json_uint(out, "pue_permille", c->candidate->pue_permille);
    if (c->upstream->zone) {
        ti_json_str(out, "zone", c->upstream->zone);
    }
    ti_json_uint(out, "intensity_mg_kwh", c->candidate->grid.intensity_mg_kwh);
    ti_json_str(out, "basis", ti_basis_text(basis, c->candidate->grid.basis));
    ti_json_close(out, '}');
}

void ti_relay_add_cost(ti_buf *out, const ti_relay_cost *cost)
{
    add_energy(out, cost);
    add_carbon(out, cost);
    ti_json_null(out, "receipt");
}

void ti_relay_write(ti_buf *out, const ti_relay_piece *piece, ti_relay_usage usage,
                    const ti_relay_cost *cost)
{
    static const char *const ours[] = {"energy", "carbon", "receipt", "tern", "usage"};
    size_t n = sizeof ours / sizeof *ours - (usage == TI_RELAY_USAGE_KEEP ? 1 : 0);
    ti_json_open(out, NULL, '{');
    add_others(out, &piece->root, piece->text, ours, n);
    if (usage == TI_RELAY_USAGE_COUNTED && cost) {
        add_usage(out, &cost->tokens);
    }
    if (cost) {
        ti_relay_add_cost(out, cost);
        ti_json_put_off(out, cost->put_off);
    }
    ti_json_close(out, '}');
}
