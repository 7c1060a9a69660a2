/* SPDX-License-Identifier: Apache-2.0 */
/* Records and what they say.  ocmf_file.c finds them in files. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/jval.h"
#include "ledger/base64.h"
#include "ledger/ocmf_parts.h"

static const char module[] = "ocmf";

#define UJ_PER_KWH UINT64_C(3600000000000) /* 3.6 MJ */
#define UJ_PER_WH UINT64_C(3600000000)

enum { DECIMAL = 10 };

static tern_status bad(tern_err *err, const ti_ocmf_record *r, const char *what)
{
    return ti_fail(err, TERN_CORRUPT, module, r->at, "record at byte %llu: %s",
                   (unsigned long long)r->at, what);
}

/* Reads JSON in a record; an offset in it becomes one in the file. */
static tern_status parse_json(ti_jval *out, ti_arena *arena, const ti_ocmf_record *r,
                              ti_str part, tern_err *err)
{
    tern_err local;
    tern_status status = ti_jval_parse(out, arena, part.data, part.len, module, &local);
    if (status != TERN_OK) {
        uint64_t at = r->at + (uint64_t)(part.data - r->bytes.data);
        if (local.offset != TI_NO_OFFSET) {
            at += local.offset;
        }
        return ti_fail(err, status, module, at, "record at byte %llu: %s",
                       (unsigned long long)r->at, local.message);
    }
    return out->type == TI_JOBJECT ? TERN_OK : bad(err, r, "is no object");
}

/* A member as text; "" when it is not there. */
static tern_status copy_text(char *out, size_t cap, const ti_jval *object, const char *key,
                             const ti_ocmf_record *r, tern_err *err)
{
    const ti_jval *v = ti_jval_get(object, key);
    out[0] = '\0';
    if (ti_jval_none(v)) {
        return TERN_OK;
    }
    if (v->type != TI_JSTR || v->u.str.len >= cap) {
        return ti_fail(err, TERN_CORRUPT, module, r->at,
                       "record at byte %llu: '%s' is no text, or too long",
                       (unsigned long long)r->at, key);
    }
    memcpy(out, v->u.str.data, v->u.str.len);
    out[v->u.str.len] = '\0';
    return TERN_OK;
}

/* --- readings -------------------------------------------------------------------------------
 */

/* Digits with at most one point; *decimals receives how many are behind it. */
static bool read_decimal(uint64_t *digits, unsigned *decimals, ti_str text)
{
    bool point = false, any = false;
    *digits = 0;
    *decimals = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9' || !ti_mul_u64(*digits, DECIMAL, digits) ||
            !ti_add_u64(*digits, (uint64_t)(c - '0'), digits)) {
            return false;
        }
        any = true;
        *decimals += point;
    }
    return any;
}

/* The text of RV: a string with blanks around it, or a number as it stands in the payload. */
static ti_str value_text(const ti_jval *v, ti_str payload)
{
    ti_str text = {.data = "", .len = 0};
    if (v->type == TI_JSTR) {
        text = v->u.str;
        while (text.len > 0 && *text.data == ' ') {
            text.data++;
            text.len--;
        }
        while (text.len > 0 && text.data[text.len - 1] == ' ') {
            text.len--;
        }
    } else if (v->type == TI_JINT || v->type == TI_JNUM) {
        text.data = payload.data + v->at;
        while (v->at + text.len < payload.len &&
               strchr("0123456789.+-eE", text.data[text.len]) && text.data[text.len]) {
            text.len++;
        }
    }
    return text;
}

/* Energy in microjoules, exactly: a register shows fewer digits than a joule has. */
static tern_status read_energy(ti_ocmf_reading *out, const ti_jval *v, const ti_ocmf_record *r,
                               tern_err *err)
{
    uint64_t digits, unit;
    unsigned decimals;
    if (strcmp(out->unit, "kWh") == 0) {
        unit = UJ_PER_KWH;
    } else if (strcmp(out->unit, "Wh") == 0) {
        unit = UJ_PER_WH;
    } else {
        return TERN_OK;
    }
    if (!v || !read_decimal(&digits, &decimals, value_text(v, r->payload))) {
        return bad(err, r, "'RV' is no decimal number of energy");
    }
    for (; decimals > 0 && unit % DECIMAL == 0; decimals--) {
        unit /= DECIMAL;
    }
    if (decimals > 0) {
        return bad(err, r, "'RV' has more digits than a microjoule");
    }
    if (!ti_mul_u64(digits, unit, &out->energy_uj)) {
        return ti_fail(err, TERN_LIMIT, module, r->at, "record at byte %llu: 'RV' is too large",
                       (unsigned long long)r->at);
    }
    out->is_energy = true;
    out->resolution_uj = unit;
    return TERN_OK;
}

static tern_status read_reading(ti_ocmf_reading *out, const ti_jval *in,
                                const ti_ocmf_record *r, tern_err *err)
{
    char word[TI_OCMF_TEXT];
    if (in->type != TI_JOBJECT) {
        return bad(err, r, "a reading is no object");
    }
    TI_TRY(copy_text(out->time, sizeof out->time, in, "TM", r, err));
    size_t n = strlen(out->time);
    if (n > 2 && out->time[n - 2] == ' ') { /* "2021-10-26T10:20:52,000+0200 I" */
        out->clock = out->time[n - 1];
        out->time[n - 2] = '\0';
    }
    TI_TRY(copy_text(word, sizeof word, in, "TX", r, err));
    out->transaction = word[0];
    TI_TRY(copy_text(word, sizeof word, in, "ST", r, err));
    out->status = word[0];
    TI_TRY(copy_text(out->reg, sizeof out->reg, in, "RI", r, err));
    TI_TRY(copy_text(out->unit, sizeof out->unit, in, "RU", r, err));
    return read_energy(out, ti_jval_get(in, "RV"), r, err);
}

static tern_status read_readings(ti_ocmf_record *r, ti_arena *arena, const ti_jval *payload,
                                 tern_err *err)
{
    const ti_jval *rd = ti_jval_get(payload, "RD");
    if (!rd || rd->type != TI_JARRAY || rd->n == 0) {
        return bad(err, r, "'RD' is no list of readings");
    }
    if (rd->n > TI_OCMF_READINGS_MAX) {
        return ti_fail(err, TERN_LIMIT, module, r->at, "more than %d readings in a record",
                       TI_OCMF_READINGS_MAX);
    }
    r->readings = ti_arena_calloc(arena, rd->n, sizeof *r->readings);
    if (!r->readings) {
        return ti_fail_nomem(err, module, rd->n * sizeof *r->readings, "readings");
    }
    for (; r->n_readings < rd->n; r->n_readings++) {
        TI_TRY(read_reading(&r->readings[r->n_readings], &rd->u.items[r->n_readings], r, err));
    }
    return TERN_OK;
}

/* --- payload and signature ------------------------------------------------------------------
 */

static tern_status read_payload(ti_ocmf_record *r, ti_arena *arena, const ti_jval *payload,
                                tern_err *err)
{
    char page[TI_OCMF_TEXT];
    TI_TRY(copy_text(r->meter, sizeof r->meter, payload, "MS", r, err));
    if (r->meter[0] == '\0') {
        TI_TRY(copy_text(r->meter, sizeof r->meter, payload, "GS", r, err));
    }
    TI_TRY(copy_text(page, sizeof page, payload, "PG", r, err));
    if (page[0] != '\0') {
        unsigned decimals;
        ti_str number = {.data = page + 1, .len = strlen(page + 1)};
        if ((page[0] != 'T' && page[0] != 'F') || memchr(number.data, '.', number.len) ||
            !read_decimal(&r->page, &decimals, number)) {
            return bad(err, r, "'PG' is no page number");
        }
        r->page_kind = page[0];
    }
    return read_readings(r, arena, payload, err);
}

static tern_status read_algorithm(ti_ocmf_record *r, const ti_jval *signature, tern_err *err)
{
    static const struct {
        const char *name;
        ti_curve curve;
    } known[] = {
        {"ECDSA-secp256r1-SHA256", TI_CURVE_P256}, /* the default */
        {"ECDSA-secp256k1-SHA256", TI_CURVE_K256},
        {"ECDSA-secp384r1-SHA256", TI_CURVE_P384},
    };
    char name[TI_OCMF_TEXT];
    TI_TRY(copy_text(name, sizeof name, signature, "SA", r, err));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name[0] ? name : known[0].name, known[i].name) == 0) {
            r->curve = known[i].curve;
            return TERN_OK;
        }
    }
    return ti_fail(err, TERN_UNSUPPORTED, module, r->at,
                   "record at byte %llu: signature algorithm '%s'", (unsigned long long)r->at,
                   name);
}

static tern_status read_signature(ti_ocmf_record *r, const ti_jval *signature, tern_err *err)
{
    char encoding[TI_OCMF_TEXT];
    const ti_jval *data = ti_jval_get(signature, "SD");
    TI_TRY(read_algorithm(r, signature, err));
    TI_TRY(copy_text(encoding, sizeof encoding, signature, "SE", r, err));
    if (!data || data->type != TI_JSTR) {
        return bad(err, r, "has no signature 'SD'");
    }
    ti_str text = data->u.str;
    bool base64 = strcmp(encoding, "base64") == 0;
    if (!base64 && encoding[0] != '\0' && strcmp(encoding, "hex") != 0) {
        return ti_fail(err, TERN_UNSUPPORTED, module, r->at,
                       "record at byte %llu: signature encoding '%s'",
                       (unsigned long long)r->at, encoding);
    }
    bool decoded = base64 ? ti_base64_decode(r->sig, sizeof r->sig, &r->sig_len, text.data,
                                             text.len, TI_BASE64)
                          : sodium_hex2bin(r->sig, sizeof r->sig, text.data, text.len, NULL,
                                           &r->sig_len, NULL) == 0;
    if (!decoded) {
        return bad(err, r, "the signature 'SD' cannot be decoded");
    }
    return TERN_OK;
}

tern_status ti_ocmf_record_parse(ti_ocmf_record *r, ti_arena *arena, tern_err *err)
{
    static const char mark[] = "OCMF|";
    size_t begin = sizeof mark - 1, end = r->bytes.len;
    ti_jval payload, signature;
    if (end < begin || memcmp(r->bytes.data, mark, begin) != 0) {
        return bad(err, r, "does not begin with OCMF|");
    }
    while (end > begin && r->bytes.data[end - 1] != '|') {
        end--;
    }
    if (end <= begin) {
        return bad(err, r, "has no signature");
    }
    r->payload = (ti_str){.data = r->bytes.data + begin, .len = end - 1 - begin};
    ti_str rest = {.data = r->bytes.data + end, .len = r->bytes.len - end};
    TI_TRY(parse_json(&payload, arena, r, r->payload, err));
    TI_TRY(parse_json(&signature, arena, r, rest, err));
    TI_TRY(read_payload(r, arena, &payload, err));
    return read_signature(r, &signature, err);
}
