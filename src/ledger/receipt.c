/* SPDX-License-Identifier: Apache-2.0 */
/* Writing receipts. */
#include "ledger/receipt.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/le.h"
#include "base/sha256.h"
#include "ledger/receipt_parts.h"

const char *const ti_receipt_evidences[] = {"measured", "modelled", "declared", "replayed",
                                            NULL};

const char *ti_receipt_evidence_name(ti_receipt_evidence evidence)
{
    return ti_receipt_evidences[evidence];
}

void ti_receipt_make_id(char id[TI_RECEIPT_ID + 1], uint64_t unix_ms)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    enum { TIME_DIGITS = 10, BITS = 5, MASK = 31 };
    for (int i = TIME_DIGITS - 1; i >= 0; i--) {
        id[i] = digits[unix_ms & MASK];
        unix_ms >>= BITS;
    }
    id[0] = id[0] > '7' ? '7' : id[0]; /* 48 bits of time; later than the year 10889 is not */
    for (int i = TIME_DIGITS; i < TI_RECEIPT_ID; i++) {
        id[i] = digits[randombytes_uniform(MASK + 1)];
    }
    id[TI_RECEIPT_ID] = '\0';
}

/* --- fields ---------------------------------------------------------------------------------
 */

static void hex(ti_buf *out, const char *key, const uint8_t digest[TI_SHA256])
{
    char text[2 * TI_SHA256 + 1];
    sodium_bin2hex(text, sizeof text, digest, TI_SHA256);
    ti_json_str(out, key, text);
}

void ti_receipt_fraction(char out[TI_RECEIPT_WORD], float value)
{
    enum { EXACT_DIGITS = 9 }; /* of any float32 */
    for (int digits = 1; digits <= EXACT_DIGITS; digits++) {
        float back = 0;
        char text[TI_RECEIPT_WORD];
        size_t n = (size_t)snprintf(text, sizeof text, "%.*g", digits, (double)value), len = 0;
        bool point = false;
        for (size_t i = 0; i < n && i < sizeof text; i++) {
            if (strchr("+-0123456789einfa", text[i])) {
                out[len++] = text[i];
                point = false;
            } else if (!point) { /* in some locales it has another sign, of several bytes */
                out[len++] = '.';
                point = true;
            }
        }
        out[len] = '\0';
        if (ti_receipt_number(&back, out) && ti_float_bits(back) == ti_float_bits(value)) {
            return;
        }
    }
}

static void fraction(ti_buf *out, const char *key, float value)
{
    char text[TI_RECEIPT_WORD];
    ti_receipt_fraction(text, value);
    ti_json_str(out, key, text);
}

static void sampler(ti_buf *out, const tern_sampler_opts *s)
{
    char seed[TI_RECEIPT_WORD];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
    ti_json_open(out, "sampler", '{');
    fraction(out, "temperature", s->temperature);
    ti_json_uint(out, "top_k", s->top_k);
    fraction(out, "top_p", s->top_p);
    fraction(out, "min_p", s->min_p);
    fraction(out, "repeat_penalty", s->repeat_penalty);
    fraction(out, "presence_penalty", s->presence_penalty);
    fraction(out, "frequency_penalty", s->frequency_penalty);
    ti_json_uint(out, "penalty_last_n", s->penalty_last_n);
    ti_json_str(out, "seed", seed); /* 64 bits: more than JSON numbers safely have */
    ti_json_close(out, '}');
}

static void origin(ti_buf *out, const ti_receipt *r)
{
    ti_json_open(out, "model", '{');
    hex(out, "sha256", r->model.sha256);
    ti_json_uint(out, "file_bytes", r->model.file_bytes);
    ti_json_str(out, "name", r->model.name);
    ti_json_str(out, "architecture", r->model.architecture);
    ti_json_close(out, '}');
    ti_json_open(out, "input", '{');
    hex(out, "commitment_sha256", r->input.commitment);
    ti_json_str(out, "mode", r->input.mode);
    ti_json_close(out, '}');
    ti_json_open(out, "output", '{');
    ti_json_uint(out, "text_bytes", r->output.bytes);
    ti_json_str(out, "stop_reason", r->stop_reason);
    ti_json_close(out, '}');
    sampler(out, &r->sampler);
    ti_json_open(out, "engine", '{');
    ti_json_uint(out, "context_tokens", r->engine.context_tokens);
    ti_json_uint(out, "max_output_tokens", r->engine.max_output_tokens);
    ti_json_str(out, "kv", r->engine.kv);
    ti_json_str(out, "act", r->engine.act);
    ti_json_str(out, "head", r->engine.head);
    ti_json_str(out, "i2s", r->engine.i2s);
    ti_json_str(out, "q2_0_group", r->engine.q2_0_group);
    ti_json_close(out, '}');
    if (r->has_grammar) {
        ti_json_open(out, "grammar", '{');
        ti_json_str(out, "kind", r->grammar.kind);
        hex(out, "sha256", r->grammar.sha256);
        ti_json_close(out, '}');
    }
}

static void evidence(ti_buf *out, const ti_receipt *r)
{
    if (r->has_trace) {
        ti_json_open(out, "trace", '{');
        hex(out, "root_sha256", r->trace.root);
        ti_json_uint(out, "tokens", r->trace.n_tokens);
        ti_json_uint(out, "layers", r->trace.n_layers);
        ti_json_close(out, '}');
    }
    if (r->has_energy) {
        ti_json_open(out, "energy", '{');
        ti_json_uint(out, "energy_uj", r->energy.energy_uj);
        ti_json_uint(out, "idle_uj", r->energy.idle_uj);
        ti_json_str(out, "evidence", ti_receipt_evidence_name(r->energy.evidence));
        ti_json_str(out, "meter", r->energy.meter);
        ti_json_uint(out, "error_permille", r->energy.error_permille);
        ti_json_close(out, '}');
    }
    if (r->has_carbon) {
        ti_json_open(out, "carbon", '{');
        ti_json_uint(out, "co2_ug", r->carbon.co2_ug);
        ti_json_str(out, "basis", r->carbon.basis);
        ti_json_str(out, "source", r->carbon.source);
        ti_json_close(out, '}');
    }
}

static void circumstances(ti_buf *out, const ti_receipt *r)
{
    ti_json_open(out, "work", '{');
    ti_json_uint(out, "input_tokens", r->work.input_tokens);
    ti_json_uint(out, "output_tokens", r->work.output_tokens);
    ti_json_uint(out, "macs", r->work.macs);
    ti_json_uint(out, "weight_bytes", r->work.weight_bytes);
    ti_json_close(out, '}');
    evidence(out, r);
    ti_json_open(out, "machine", '{');
    ti_json_str(out, "arch", r->machine.arch);
    ti_json_str(out, "cpu", r->machine.cpu);
    ti_json_str(out, "kernel", r->machine.kernel);
    ti_json_uint(out, "threads", r->machine.threads);
    ti_json_close(out, '}');
    ti_json_open(out, "time", '{');
    ti_json_uint(out, "started_unix_ms", r->time.started_unix_ms);
    ti_json_uint(out, "ended_unix_ms", r->time.ended_unix_ms);
    ti_json_uint(out, "prompt_ns", r->time.prompt_ns);
    ti_json_uint(out, "generate_ns", r->time.generate_ns);
    ti_json_close(out, '}');
}

tern_status ti_receipt_write(ti_buf *out, const ti_receipt *receipt, tern_err *err)
{
    ti_buf made = {0}; /* apart, because the writer looks at the last byte */
    ti_json_open(&made, NULL, '{');
    ti_json_str(&made, "_type", TI_STATEMENT_TYPE);
    ti_json_open(&made, "subject", '[');
    ti_json_open(&made, NULL, '{');
    ti_json_str(&made, "name", "output");
    ti_json_open(&made, "digest", '{');
    hex(&made, "sha256", receipt->output.sha256);
    ti_json_close(&made, '}');
    ti_json_close(&made, '}');
    ti_json_close(&made, ']');
    ti_json_str(&made, "predicateType", TI_PREDICATE_TYPE);
    ti_json_open(&made, "predicate", '{');
    ti_json_str(&made, "receipt_id", receipt->id);
    ti_json_str(&made, "tern_version", receipt->tern_version);
    origin(&made, receipt);
    circumstances(&made, receipt);
    ti_json_close(&made, '}');
    ti_json_close(&made, '}');
    if (!made.failed) {
        ti_buf_add(out, made.data, made.len);
    }
    bool failed = made.failed || out->failed;
    ti_buf_free(&made);
    return failed ? ti_fail_nomem(err, "receipt", TI_RECEIPT_MAX, "a receipt") : TERN_OK;
}

/* --- commitments ----------------------------------------------------------------------------
 */

static void add_u32(ti_sha256 *hash, size_t n)
{
    uint8_t bytes[sizeof(uint32_t)];
    ti_store_u32(bytes, (uint32_t)n);
    ti_sha256_add(hash, bytes, sizeof bytes);
}

void ti_commit_input(uint8_t out[TI_SHA256], const uint8_t salt[TI_SALT],
                     const tern_token *tokens, size_t n, const char *const *stops,
                     size_t n_stops)
{
    static const char domain[] = "tern.input/1";
    ti_sha256 hash;
    ti_sha256_start(&hash);
    ti_sha256_add(&hash, domain, strlen(domain));
    ti_sha256_add(&hash, salt, TI_SALT);
    add_u32(&hash, n);
    for (size_t i = 0; i < n; i++) {
        add_u32(&hash, (uint32_t)tokens[i]);
    }
    add_u32(&hash, n_stops);
    for (size_t i = 0; i < n_stops; i++) {
        size_t len = strlen(stops[i]);
        add_u32(&hash, len);
        ti_sha256_add(&hash, stops[i], len);
    }
    ti_sha256_end(&hash, out);
}
