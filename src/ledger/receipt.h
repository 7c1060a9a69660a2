/* SPDX-License-Identifier: Apache-2.0 */
/* ledger/receipt.h - what a receipt says.
 *
 * A receipt is an in-toto Statement v1 (github.com/in-toto/attestation, spec/v1) about the text
 * of an answer; its predicate has the fields below.  docs/formats/receipt.md is the schema.  It
 * is written in one way only: fixed order, no white space; the reader refuses every other
 * spelling, so that two readers cannot see two things.  Numbers are integers with their units
 * in the names; the sampler's fractions are decimal texts that read back to the same float. */
#ifndef TI_LEDGER_RECEIPT_H
#define TI_LEDGER_RECEIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tern/session.h"

#define TI_STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define TI_PAYLOAD_TYPE "application/vnd.in-toto+json"
/* The type of the predicate; another version is another type.  A name, not an address. */
#define TI_PREDICATE_BASE "urn:tern:receipt:"
#define TI_PREDICATE_TYPE TI_PREDICATE_BASE "v1"
/* Of a job of the queue (docs/formats/jobs.md). */
#define TI_PREDICATE_JOB "urn:tern:job:v2"

enum {
    TI_SHA256 = 32,         /* bytes of a digest */
    TI_SALT = 32,           /* bytes of a salt */
    TI_RECEIPT_ID = 26,     /* characters of a ULID */
    TI_RECEIPT_TEXT = 128,  /* bytes of a text field, with its NUL */
    TI_RECEIPT_WORD = 32,   /* the same for a word such as "chat" */
    TI_RECEIPT_MAX = 32768, /* bytes of a statement: with base64 it fits an entry of a log */
};

/* How sure an energy is: a counter read it, a model computed it, somebody said it, it was
 * taken from an earlier run. */
typedef enum ti_receipt_evidence {
    TI_RECEIPT_MEASURED = 0,
    TI_RECEIPT_MODELLED,
    TI_RECEIPT_DECLARED,
    TI_RECEIPT_REPLAYED
} ti_receipt_evidence;

/* In which language the form of an answer was asked for. */
#define TI_RECEIPT_JSON_OBJECT "json-object"
#define TI_RECEIPT_JSON_SCHEMA "json-schema"
#define TI_RECEIPT_GBNF "gbnf"

/* The RFC 6962 root over the hashes of ledger/trace.h. */
typedef struct ti_receipt_trace {
    uint8_t root[TI_SHA256];
    uint64_t n_tokens, n_layers;
} ti_receipt_trace;

typedef struct ti_receipt_energy {
    uint64_t energy_uj; /* given to this answer, above idle */
    uint64_t idle_uj;   /* of the machine's idle line in the same time */
    ti_receipt_evidence evidence;
    char meter[TI_RECEIPT_TEXT]; /* name of the counter or model */
    uint64_t error_permille;     /* half the width of the band */
} ti_receipt_energy;

typedef struct ti_receipt_carbon {
    uint64_t co2_ug;
    char basis[TI_RECEIPT_TEXT];  /* "average life-cycle location" */
    char source[TI_RECEIPT_TEXT]; /* where the intensity is from, and when */
} ti_receipt_carbon;

/* Everything in a receipt.  No pointers: it can be copied.  Texts are UTF-8. */
typedef struct ti_receipt {
    char id[TI_RECEIPT_ID + 1];
    char tern_version[TI_RECEIPT_WORD];
    struct {
        uint8_t sha256[TI_SHA256];
        uint64_t bytes;
    } output; /* the subject: the answer's text */
    struct {
        uint8_t sha256[TI_SHA256]; /* of the whole file, vocabulary included */
        uint64_t file_bytes;
        char name[TI_RECEIPT_TEXT], architecture[TI_RECEIPT_WORD];
    } model;
    struct {
        uint8_t commitment[TI_SHA256]; /* ti_commit_input() */
        char mode[TI_RECEIPT_WORD];    /* "chat": in the model's template; "raw" */
    } input;
    char stop_reason[TI_RECEIPT_WORD];
    tern_sampler_opts sampler;
    struct {
        uint64_t context_tokens, max_output_tokens;
        char kv[TI_RECEIPT_WORD], act[TI_RECEIPT_WORD], head[TI_RECEIPT_WORD],
            i2s[TI_RECEIPT_WORD], q2_0_group[TI_RECEIPT_WORD];
    } engine; /* all that changes bits, as `tern run` takes it */
    struct {
        char kind[TI_RECEIPT_WORD]; /* TI_RECEIPT_JSON_... */
        uint8_t sha256[TI_SHA256];  /* of its text, which a JSON object has not */
    } grammar;                      /* that the answer fits */
    struct {
        uint64_t input_tokens, output_tokens;
        uint64_t macs;         /* multiply-accumulates of weight matrices */
        uint64_t weight_bytes; /* read to generate, without the prompt */
    } work;
    bool has_grammar, has_trace, has_energy, has_carbon;
    ti_receipt_trace trace;
    ti_receipt_energy energy;
    ti_receipt_carbon carbon;
    struct {
        char arch[TI_RECEIPT_WORD], cpu[TI_RECEIPT_TEXT], kernel[TI_RECEIPT_WORD];
        uint64_t threads;
    } machine;
    struct {
        uint64_t started_unix_ms, ended_unix_ms;
        uint64_t prompt_ns, generate_ns;
    } time;
    bool is_job; /* a job's: then what stands below, the id, the versions, the output's digest,
                  * energy, carbon and the times; model.name is "job N" */
    struct {
        uint64_t number, exit_code, ran_s;
        uint64_t mean_mg_kwh;         /* with has_carbon */
        uint8_t command[TI_SHA256];   /* ti_job_commit() */
        char state[TI_RECEIPT_WORD];  /* "done" */
        char output[TI_RECEIPT_WORD]; /* "stdout", "SHA256SUMS" */
    } job;
} ti_receipt;

/* "measured", "modelled", "declared", "replayed" */
const char *ti_receipt_evidence_name(ti_receipt_evidence evidence);

/* Writes a new ULID: the time, then 80 random bits, in Crockford's base 32. */
void ti_receipt_make_id(char id[TI_RECEIPT_ID + 1], uint64_t unix_ms);

/* Appends the statement.  Texts that are too long for a reader cannot occur; texts that are no
 * UTF-8 are the caller's error and come out with U+FFFD.  Errors: TERN_NOMEM. */
tern_status ti_receipt_write(ti_buf *out, const ti_receipt *receipt, tern_err *err);

/* Reads a statement.  Errors: TERN_UNSUPPORTED for another predicate or version;
 * TERN_CORRUPT with the offset in the statement, also when it says the same but is written in
 * another way than ti_receipt_write() does; TERN_LIMIT; TERN_NOMEM. */
tern_status ti_receipt_read(ti_receipt *out, const char *text, size_t len, tern_err *err);

/* Reads the statement of a job.  Errors: TERN_UNSUPPORTED for any other, TERN_CORRUPT with the
 * offset, TERN_LIMIT, TERN_NOMEM. */
tern_status ti_receipt_read_job(ti_receipt *out, const char *statement, size_t len,
                                tern_err *err);

/* What an answer was made from: tokens of the prompt, sequences that end it.
 * SHA-256("tern.input/1" || salt[32] || u32 n_tokens || u32 token ... ||
 *         u32 n_stops || (u32 length || bytes) ...), little-endian. */
void ti_commit_input(uint8_t out[TI_SHA256], const uint8_t salt[TI_SALT],
                     const tern_token *tokens, size_t n, const char *const *stops,
                     size_t n_stops);

#endif
