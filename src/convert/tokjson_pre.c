/* SPDX-License-Identifier: Apache-2.0 */
/* Which pre-tokenizer it is.  The expressions are those of the models' own tokenizer.json; the
 * name in a GGUF file says also whether a piece that is a token is taken before merging. */
#include "convert/tokjson.h"

static const char MODULE[] = "tokenizer.json";

/* Both differ only in how many digits a piece has. */
#define EXPRESSION(digits)                                               \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const char LLAMA3_EXPRESSION[] = EXPRESSION("\\p{N}{1,3}");
static const char QWEN2_EXPRESSION[] = EXPRESSION("\\p{N}");

static bool has_type(const ti_jval *v, const char *type)
{
    return ti_jval_is(ti_jval_get(v, "type"), type);
}

/* A member that is absent counts as `fallback`. */
static bool flag(const ti_jval *v, const char *key, bool fallback)
{
    const ti_jval *f = ti_jval_get(v, key);
    return f && f->type == TI_JBOOL ? f->u.boolean : fallback;
}

/* ByteLevel that puts no space before the text; `use_regex` as wanted. */
static bool is_byte_level(const ti_jval *v, bool use_regex)
{
    return has_type(v, "ByteLevel") && !flag(v, "add_prefix_space", true) &&
           flag(v, "use_regex", true) == use_regex;
}

/* The expression of a Split that keeps its matches as pieces of their own, or NULL. */
static const ti_jval *split_expression(const ti_jval *v)
{
    if (!has_type(v, "Split") || !ti_jval_is(ti_jval_get(v, "behavior"), "Isolated") ||
        flag(v, "invert", true)) {
        return NULL;
    }
    const ti_jval *expression = ti_jval_get(ti_jval_get(v, "pattern"), "Regex");
    return expression && expression->type == TI_JSTR ? expression : NULL;
}

/* One that tern knows: its name without and with ignore_merges, where there is one. */
typedef struct known {
    const char *merging, *ignoring;
} known;

static bool find_known(known *out, const ti_jval *v)
{
    const ti_jval *list = ti_jval_get(v, "pretokenizers");
    if (is_byte_level(v, true)) {
        *out = (known){"gpt-2", NULL};
        return true;
    }
    if (!has_type(v, "Sequence") || !list || list->type != TI_JARRAY || list->n != 2) {
        return false;
    }
    const ti_jval *first = &list->u.items[0], *second = &list->u.items[1];
    if (has_type(first, "Digits")) {
        *out = (known){"smollm", NULL};
        return flag(first, "individual_digits", false) && is_byte_level(second, true);
    }
    const ti_jval *expression = split_expression(first);
    bool llama3 = ti_jval_is(expression, LLAMA3_EXPRESSION);
    *out = llama3 ? (known){"dbrx", "llama-bpe"} : (known){"qwen2", NULL};
    return (llama3 || ti_jval_is(expression, QWEN2_EXPRESSION)) && is_byte_level(second, false);
}

static tern_status unknown(const ti_jval *v, tern_err *err)
{
    const ti_jval *list = ti_jval_get(v, "pretokenizers");
    const ti_jval *named = ti_jval_get(v, "type");
    for (uint32_t i = 0; list && list->type == TI_JARRAY && i < list->n; i++) {
        const ti_jval *expression = split_expression(&list->u.items[i]);
        named = expression ? expression : named;
    }
    bool text = named && named->type == TI_JSTR;
    int shown = text ? (int)(named->u.str.len < 150 ? named->u.str.len : 150) : 4;
    return ti_fail(err, TERN_UNSUPPORTED, MODULE, v ? v->at : TI_NO_OFFSET,
                   "the pre-tokenizer '%.*s' is not known", shown,
                   text ? named->u.str.data : "null");
}

tern_status ti_tokjson_pre(const char **out, const ti_jval *pre_tokenizer, bool ignore_merges,
                           tern_err *err)
{
    known k;
    if (!find_known(&k, pre_tokenizer)) {
        return unknown(pre_tokenizer, err);
    }
    if (ignore_merges && !k.ignoring) {
        return ti_fail(err, TERN_UNSUPPORTED, MODULE, pre_tokenizer->at,
                       "ignore_merges with the pre-tokenizer of %s is not known", k.merging);
    }
    *out = ignore_merges ? k.ignoring : k.merging;
    return TERN_OK;
}
