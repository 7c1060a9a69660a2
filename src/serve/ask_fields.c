/* SPDX-License-Identifier: Apache-2.0 */
/* Single fields of a request, and those that both dialects have. */
#include <string.h>

#include "serve/ask_parts.h"

/* --- single fields --------------------------------------------------------------------------
 */

bool ti_read_bool(ti_reading *r, const ti_jval *object, const char *key, bool *out)
{
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JBOOL) {
        return ti_refuse(r->why, key, "invalid_type", "'%s' must be true or false", key);
    }
    *out = v->u.boolean;
    return true;
}

bool ti_read_u32(ti_reading *r, const ti_jval *object, const char *key, uint32_t min,
                 uint32_t max, uint32_t *out, bool *given)
{
    uint64_t value;
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (!ti_jval_uint(v, max, &value) || value < min) {
        return ti_refuse(r->why, key, "invalid_value",
                         "'%s' must be a whole number from %u to %u", key, min, max);
    }
    *out = (uint32_t)value;
    if (given) {
        *given = true;
    }
    return true;
}

bool ti_read_f32(ti_reading *r, const ti_jval *object, const char *key, double min, double max,
                 float *out, bool *given)
{
    double value;
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (!ti_jval_num(v, &value) || value < min || value > max) {
        return ti_refuse(r->why, key, "invalid_value", "'%s' must be a number from %g to %g",
                         key, min, max);
    }
    *out = (float)value;
    if (given) {
        *given = true;
    }
    return true;
}

bool ti_read_text(ti_reading *r, const ti_jval *object, const char *key, const char **out)
{
    const ti_jval *v = ti_jval_get(object, key);
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JSTR) {
        return ti_refuse(r->why, key, "invalid_type", "'%s' must be a string", key);
    }
    *out = ti_copy_text(r, v->u.str);
    return *out != NULL;
}

bool ti_read_seed(ti_reading *r, const ti_jval *object)
{
    const ti_jval *v = ti_jval_get(object, "seed");
    if (ti_jval_none(v)) {
        return true;
    }
    if (v->type != TI_JINT) {
        return ti_refuse(r->why, "seed", "invalid_value",
                         "'seed' must be a whole number of at most 18 digits");
    }
    r->ask->sampler.seed = (uint64_t)v->u.integer;
    r->ask->gave |= TI_GAVE_SEED;
    return true;
}

bool ti_text_of(ti_reading *r, const ti_jval *v, ti_str *out)
{
    ti_str text = ti_jval_text(v, (ti_str){r->text, r->len});
    *out = (ti_str){ti_copy_text(r, text), text.len};
    return out->data != NULL;
}

bool ti_read_deadline(ti_reading *r)
{
    const ti_jval *tern = ti_jval_get(r->root, "tern");
    if (ti_jval_none(tern)) {
        return true;
    }
    if (tern->type != TI_JOBJECT) {
        return ti_refuse(r->why, "tern", "invalid_type", "'tern' must be an object");
    }
    return ti_read_text(r, tern, "deadline", &r->ask->deadline);
}

/* --- the sampler ----------------------------------------------------------------------------
 */

bool ti_read_sampler(ti_reading *r, const ti_jval *object, const ti_sampler_ranges *ranges)
{
    tern_sampler_opts *s = &r->ask->sampler;
    const struct {
        const char *key;
        double min, max;
        float *out;
        uint32_t gave;
    } fields[] = {
        {"temperature", 0, ranges->temperature, &s->temperature, TI_GAVE_TEMPERATURE},
        {"top_p", 0, 1, &s->top_p, TI_GAVE_TOP_P},
        {"min_p", 0, 1, &s->min_p, TI_GAVE_MIN_P},
        {"presence_penalty", -ranges->penalty, ranges->penalty, &s->presence_penalty, 0},
        {"frequency_penalty", -ranges->penalty, ranges->penalty, &s->frequency_penalty, 0},
        {"repeat_penalty", 0, ranges->repeat, &s->repeat_penalty, TI_GAVE_REPEAT},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        bool given = false;
        if (!ti_read_f32(r, object, fields[i].key, fields[i].min, fields[i].max, fields[i].out,
                         &given)) {
            return false;
        }
        r->ask->gave |= given ? fields[i].gave : 0;
    }
    bool top_k = false;
    if (!ti_read_u32(r, object, "top_k", 0, INT32_MAX, &s->top_k, &top_k)) {
        return false;
    }
    r->ask->gave |= top_k ? TI_GAVE_TOP_K : 0;
    return ti_read_seed(r, object);
}

/* --- stops ----------------------------------------------------------------------------------
 */

static bool read_stop(ti_reading *r, const ti_jval *v, const char **out)
{
    if (v->type != TI_JSTR || v->u.str.len == 0 || v->u.str.len > TI_ASK_STOP_BYTES) {
        return ti_refuse(r->why, "stop", "invalid_value",
                         "'stop' must be a string of 1 to %d bytes, or a list of at most %d",
                         TI_ASK_STOP_BYTES, TI_ASK_STOPS);
    }
    *out = ti_copy_text(r, v->u.str);
    return *out != NULL;
}

bool ti_read_stops(ti_reading *r, const ti_jval *object)
{
    const ti_jval *v = ti_jval_get(object, "stop");
    if (!v || v->type == TI_JNULL) {
        return true;
    }
    bool one = v->type == TI_JSTR;
    size_t n = one ? 1 : v->type == TI_JARRAY ? v->n : 0;
    if (v->type == TI_JARRAY && n == 0) {
        return true;
    }
    if ((!one && v->type != TI_JARRAY) || n > TI_ASK_STOPS) {
        return ti_refuse(r->why, "stop", "invalid_value",
                         "'stop' must be a string, or a list of at most %d", TI_ASK_STOPS);
    }
    const char **stops = ti_arena_calloc(r->arena, n, sizeof *stops);
    if (!stops) {
        return ti_no_memory(r);
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_stop(r, one ? v : &v->u.items[i], &stops[i])) {
            return false;
        }
    }
    r->ask->stops = stops;
    r->ask->n_stops = n;
    return true;
}
