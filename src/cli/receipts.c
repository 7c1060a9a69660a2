/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receipts.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "carbon/units.h"
#include "cli/grams.h"
#include "cli/machine.h"
#include "cli/metering.h"
#include "cli/models.h"
#include "cli/out.h"
#include "cli/places.h"
#include "ledger/dsse.h"
#include "ledger/key.h"
#include "ledger/secrets.h"

/* In UTF-8, as all text that tern writes: a middle dot, plus-minus. */
#define SEPARATOR " \xc2\xb7 "
#define PLUS_MINUS "\xc2\xb1"

static const char key_name[] = "tern-receipt";

const char *ti_receipt_kv_name(uint32_t kv)
{
    return kv == TERN_KV_I8 ? "i8" : "f16";
}

const char *ti_receipt_act_name(uint32_t act)
{
    return act == TERN_ACT_8 ? "8" : "16";
}

const char *ti_receipt_i2s_name(uint32_t i2s)
{
    return i2s == TERN_I2S_X86 ? "x86" : i2s == TERN_I2S_ARM ? "arm" : "auto";
}

const char *ti_receipt_group_name(uint32_t group)
{
    static const char *const names[] = {"auto", "64", "128"};
    return names[group];
}

uint64_t ti_unix_ms(void)
{
    enum { MS = 1000, NS_PER_MS = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * MS + (uint64_t)now.tv_nsec / NS_PER_MS;
}

/* --- places ---------------------------------------------------------------------------------
 */

tern_status ti_receipt_beside(char **out, const char *file, const char *suffix, tern_err *err)
{
    ti_buf path = {0};
    ti_buf_addf(&path, "%s%s", file, suffix);
    if (path.failed) {
        ti_buf_free(&path);
        return ti_fail_nomem(err, "receipt", strlen(file), "a path");
    }
    *out = path.data;
    return TERN_OK;
}

/* The file of a receipt in the user's directory. */
static tern_status kept_file(char **out, const char *id, bool make, tern_err *err)
{
    char *directory;
    TI_TRY(ti_place_path(&directory, TI_PLACE_DATA, "receipts", err));
    tern_status status = make ? ti_make_private_directory(directory, err) : TERN_OK;
    if (status == TERN_OK) {
        ti_buf path = {0};
        ti_buf_addf(&path, "%s/%s.json", directory, id);
        *out = path.data;
        status = path.failed ? ti_fail_nomem(err, "receipt", 0, "a path") : TERN_OK;
    }
    free(directory);
    return status;
}

tern_status ti_receipt_file(char **out, const char *name, tern_err *err)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    bool id = strlen(name) == TI_RECEIPT_ID && strspn(name, digits) == TI_RECEIPT_ID;
    if (id && access(name, F_OK) != 0) {
        return kept_file(out, name, false, err);
    }
    return ti_receipt_beside(out, name, "", err);
}

tern_status ti_receipt_key_file(char **out, bool make, tern_err *err)
{
    char *directory;
    TI_TRY(ti_place_path(&directory, TI_PLACE_CONFIG, "", err));
    tern_status status = make ? ti_make_private_directory(directory, err) : TERN_OK;
    if (status == TERN_OK) {
        status = ti_receipt_beside(out, directory, "/receipt.key", err);
    }
    free(directory);
    return status;
}

/* --- before the answer ----------------------------------------------------------------------
 */

/* A failure is an error for those who asked for a receipt, else a warning and the end of it. */
static tern_status forgive(ti_receipt_job *job, tern_status status, const tern_err *local,
                           tern_err *err)
{
    if (status == TERN_OK) {
        return TERN_OK;
    }
    job->receipt.id[0] = '\0';
    job->wanted = false;
    if (job->args->file || job->args->trace || job->args->zone || status == TERN_CANCELLED) {
        if (err) {
            *err = *local;
        }
        return status;
    }
    ti_warn("no receipt: %s: %s", local->module, local->message);
    return TERN_OK;
}

static tern_status begin(ti_receipt_job *job, const ti_model_args *model, tern_err *err)
{
    if (sodium_init() < 0) {
        return ti_fail(err, TERN_INTERNAL, "receipt", TI_NO_OFFSET, "libsodium cannot start");
    }
    randombytes_buf(job->salt, sizeof job->salt);
    job->receipt.time.started_unix_ms = ti_unix_ms();
    TI_TRY(ti_model_path(&job->model_path, model->model, err));
    return ti_file_look(&job->model_state, job->model_path, err);
}

tern_status ti_receipt_begin(ti_receipt_job *job, const ti_receipt_args *args,
                             const ti_model_args *model, tern_err *err)
{
    tern_err local;
    *job = (ti_receipt_job){.args = args, .wanted = !args->off};
    if (args->off && (args->file || args->trace || args->keep)) {
        return ti_fail(err, TERN_USAGE, "run", TI_NO_OFFSET,
                       "--no-receipt leaves nothing for --receipt, --keep-input and --trace");
    }
    if (!job->wanted) {
        return TERN_OK;
    }
    tern_status status = begin(job, model, &local);
    job->wanted = status == TERN_OK;
    if (status != TERN_OK && (args->file || args->trace)) {
        if (err) {
            *err = local;
        }
        return status;
    }
    return TERN_OK; /* a model that is not there is reported when it is opened */
}

/* A receipt without joules is still one: what goes wrong here is told and forgotten. */
static void watch_energy(ti_receipt_job *job)
{
    static const ti_metering_args defaults = TI_METERING_DEFAULT;
    tern_err local;
    if (ti_metering_open(&job->energy, &defaults, TI_METERING_CALIBRATED, NULL, NULL, &local) !=
        TERN_OK) {
        ti_warn("the receipt will say nothing of energy: %s: %s", local.module, local.message);
        job->energy = NULL;
    } else if (ti_energy_begin(job->energy, &job->energy_id, NULL) != TERN_OK) {
        ti_energy_close(job->energy);
        job->energy = NULL;
    }
}

tern_status ti_receipt_watch(ti_receipt_job *job, const tern_model *model,
                             const ti_session_args *args, tern_session *session, tern_err *err)
{
    tern_model_desc desc;
    if (!job->wanted) {
        return TERN_OK;
    }
    watch_energy(job);
    if (!job->args->trace) {
        return TERN_OK;
    }
    tern_model_describe(model, &desc);
    TI_TRY(
        ti_trace_init(&job->trace, job->salt, ti_context_of(model, args), desc.n_layer, err));
    tern_session_set_trace(session, ti_trace_row, &job->trace);
    return TERN_OK;
}

/* --- the receipt ----------------------------------------------------------------------------
 */

/* Copies a text, cut at a whole character. */
static void set(char *out, size_t cap, const char *text)
{
    size_t len = strlen(text);
    if (len >= cap) {
        len = ti_utf8_complete(text, cap - 1);
    }
    memcpy(out, text, len);
    out[len] = '\0';
    for (size_t i = 0; i < len;) { /* names in files may be any bytes */
        uint32_t code;
        size_t n = ti_utf8_decode(out + i, len - i, &code);
        out[i] = n ? out[i] : '?';
        i += n ? n : 1;
    }
}

#define SET(field, text) set(field, sizeof(field), text)

static void set_engine(ti_receipt *r, const ti_receipt_facts *f)
{
    r->sampler = *f->sampler;
    r->engine.context_tokens = ti_context_of(f->model, f->session_args);
    r->engine.max_output_tokens = f->max_tokens;
    SET(r->engine.kv, ti_receipt_kv_name(f->session_args->kv));
    SET(r->engine.act, ti_receipt_act_name(f->model_args->act));
    SET(r->engine.head, f->model_args->head ? f->model_args->head : "auto");
    SET(r->engine.i2s, ti_receipt_i2s_name(f->model_args->i2s));
    SET(r->engine.q2_0_group, ti_receipt_group_name(f->model_args->q2_0));
}

static void set_machine(ti_receipt *r, const ti_receipt_facts *f, const tern_model_desc *desc)
{
    struct utsname system;
    ti_machine machine;
    ti_machine_look(&machine);
    SET(r->machine.arch, uname(&system) == 0 ? system.machine : "");
    SET(r->machine.cpu, machine.cpu);
    SET(r->machine.kernel, desc->kernel);
    r->machine.threads = f->model_args->threads ? f->model_args->threads : ti_cpu_count();
}

/* The head is computed for the last token of the prompt and each token that was chosen after
 * the first; the layers for every token but the last. */
static void set_work(ti_receipt *r, const ti_receipt_facts *f, const tern_model_desc *desc)
{
    uint64_t head = (uint64_t)desc->n_vocab * desc->n_embd;
    uint64_t chosen = f->answer->n_tokens, decoded = chosen > 0 ? chosen - 1 : 0;
    r->work.input_tokens = f->n_input;
    r->work.output_tokens = chosen;
    r->work.macs =
        (f->n_input + decoded) * (desc->macs_per_token - head) + (1 + decoded) * head;
    r->work.weight_bytes = decoded * desc->bytes_per_token;
    r->time.prompt_ns = f->prompt_ns;
    r->time.generate_ns = f->answer->first_ns + f->answer->generate_ns;
}

/* Closes the account of this answer. */
static void set_energy(ti_receipt_job *job, const ti_receipt_facts *f)
{
    static const ti_receipt_evidence evidences[] = {
        [TI_EVIDENCE_MEASURED] = TI_RECEIPT_MEASURED,
        [TI_EVIDENCE_MODELLED] = TI_RECEIPT_MODELLED,
        [TI_EVIDENCE_DECLARED] = TI_RECEIPT_DECLARED,
        [TI_EVIDENCE_REPLAYED] = TI_RECEIPT_REPLAYED};
    ti_receipt_energy *e = &job->receipt.energy;
    ti_energy_figure figure;
    if (!job->energy) {
        return;
    }
    ti_energy_work(job->energy, job->energy_id, f->n_input, f->answer->n_tokens);
    ti_energy_end(job->energy, job->energy_id, &figure);
    e->energy_uj = figure.energy_uj;
    e->idle_uj = figure.idle_uj;
    e->evidence = evidences[figure.evidence];
    e->error_permille = figure.error_permille;
    SET(e->meter, figure.meter);
    job->receipt.has_energy = true;
}

/* Grams of the answer's joules and of its part of the idle line, where the user said a grid.
 * What is wrong with the environment's word for it is no reason to lose the receipt. */
static tern_status set_carbon(ti_receipt_job *job, tern_err *err)
{
    const ti_grams_args args = {.zone = job->args->zone};
    const ti_receipt_energy *e = &job->receipt.energy;
    ti_receipt_carbon *c = &job->receipt.carbon;
    char basis[TI_BASIS_TEXT], intensity[TI_AMOUNT_TEXT];
    ti_grams grams = {.row = NULL};
    ti_footprint f = {.co2_ug = 0};
    tern_err local;
    if (!job->receipt.has_energy) {
        return TERN_OK;
    }
    tern_status status = ti_grams_open(&grams, &args, &local);
    if (status == TERN_OK && grams.row) {
        status = ti_grams_of(&f, &grams, e->energy_uj + e->idle_uj, &local);
        job->receipt.has_carbon = status == TERN_OK;
    }
    if (job->receipt.has_carbon) {
        c->co2_ug = f.co2_ug;
        SET(c->basis, ti_basis_text(basis, f.basis));
        snprintf(c->source, sizeof c->source, "%s, yearly %u, %s g/kWh, %s", f.zone,
                 (unsigned)f.year, ti_milli_text(intensity, f.intensity_mg_kwh), f.source);
    }
    ti_grams_close(&grams);
    if (status != TERN_OK && job->args->zone) {
        return ti_fail(err, status, local.module, local.offset, "%s", local.message);
    }
    if (status != TERN_OK) {
        ti_warn("the receipt will say nothing of carbon: %s: %s", local.module, local.message);
    }
    return TERN_OK;
}

/* Everything but the signature. */
static tern_status fill(ti_receipt_job *job, const ti_receipt_facts *f, tern_err *err)
{
    ti_receipt *r = &job->receipt;
    tern_model_desc desc;
    ti_file_state state;
    size_t n;
    const tern_token *tokens = tern_session_tokens(f->session, &n);
    tern_model_describe(f->model, &desc);
    r->time.ended_unix_ms = ti_unix_ms();
    TI_TRY(set_carbon(job, err));
    TI_TRY(ti_model_digest(r->model.sha256, &state, job->model_path, err));
    if (!ti_file_same(&state, &job->model_state)) {
        return ti_fail(err, TERN_IO, "receipt", TI_NO_OFFSET,
                       "'%s' has changed since it was opened", job->model_path);
    }
    r->model.file_bytes = state.bytes;
    SET(r->tern_version, tern_version());
    SET(r->model.name, desc.name);
    SET(r->model.architecture, desc.architecture);
    ti_sha256_of(r->output.sha256, f->answer->text.data, f->answer->text.len);
    r->output.bytes = f->answer->text.len;
    SET(r->stop_reason, ti_stop_name(f->answer->stop));
    SET(r->input.mode, f->chat ? "chat" : "raw");
    ti_commit_input(r->input.commitment, job->salt, tokens, f->n_input, f->stops->items,
                    f->stops->n);
    set_engine(r, f);
    set_machine(r, f, &desc);
    set_work(r, f, &desc);
    r->has_trace = job->trace.hashes != NULL;
    if (r->has_trace) {
        r->trace.n_tokens = n > 0 && f->answer->n_tokens > 0 ? n - 1 : n;
        r->trace.n_layers = desc.n_layer;
        ti_trace_root(&job->trace, (uint32_t)r->trace.n_tokens, r->trace.root);
    }
    ti_receipt_make_id(r->id, r->time.ended_unix_ms);
    return TERN_OK;
}

/* --- files ----------------------------------------------------------------------------------
 */

/* Writes a new file.  It is not synced: a receipt that a power cut takes with it takes nothing
 * else along, and syncing would cost more time than all the rest. */
static tern_status write_file(const char *path, const char *data, size_t len, bool secret,
                              bool replace, tern_err *err)
{
    mode_t mode = secret ? S_IRUSR | S_IWUSR : 0666;
    if (replace && unlink(path) != 0 && errno != ENOENT) {
        return ti_fail_errno(err, errno, "receipt", "cannot replace '%s'", path);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return ti_fail_errno(err, errno, "receipt", "cannot create '%s'", path);
    }
    int problem = 0;
    bool good = true;
    for (size_t done = 0; done < len && good;) {
        ssize_t n = write(fd, data + done, len - done);
        good = n >= 0 || errno == EINTR;
        problem = good ? 0 : errno;
        done += n > 0 ? (size_t)n : 0;
    }
    if (close(fd) != 0 && good) {
        problem = errno;
        good = false;
    }
    if (!good) {
        unlink(path);
        return ti_fail_errno(err, problem, "receipt", "cannot write '%s'", path);
    }
    return TERN_OK;
}

static tern_status write_secrets(const ti_receipt_job *job, const ti_receipt_facts *f,
                                 const char *file, tern_err *err)
{
    size_t n;
    const tern_token *tokens = tern_session_tokens(f->session, &n);
    ti_secrets secrets = {
        .has_input = job->args->keep || job->args->file,
        .input = tokens,
        .n_input = f->n_input,
        .output = tokens + f->answer->first,
        .n_output = n - f->answer->first,
        .stops = f->stops->items,
        .n_stops = f->stops->n,
    };
    char *path = NULL;
    ti_buf text = {0};
    memcpy(secrets.id, job->receipt.id, sizeof secrets.id);
    memcpy(secrets.salt, job->salt, sizeof secrets.salt);
    tern_status status = ti_receipt_beside(&path, file, ".private", err);
    if (status == TERN_OK) {
        status = ti_secrets_write(&text, &secrets, err);
    }
    if (status == TERN_OK) {
        status = write_file(path, text.data, text.len, true, true, err);
    }
    sodium_memzero(secrets.salt, sizeof secrets.salt);
    if (text.data) {
        sodium_memzero(text.data, text.len);
    }
    ti_buf_free(&text);
    free(path);
    return status;
}

static tern_status write_trace(const ti_receipt_job *job, const char *file, tern_err *err)
{
    char *path;
    TI_TRY(ti_receipt_beside(&path, file, ".trace", err));
    tern_status status = TERN_OK;
    if (job->receipt.has_trace) {
        status = ti_trace_save(&job->trace, (uint32_t)job->receipt.trace.n_tokens, path, err);
    } else {
        (void)unlink(path); /* of an earlier receipt of that name */
    }
    free(path);
    return status;
}

/* Signs the statement and writes the envelope. */
static tern_status write_envelope(const ti_receipt_job *job, const char *file, tern_err *err)
{
    char *key_file = NULL;
    bool made = false;
    ti_note_signer key = {.pub = {.name = ""}};
    ti_buf statement = {0}, envelope = {0};
    tern_status status = ti_receipt_key_file(&key_file, true, err);
    if (status == TERN_OK) {
        status = ti_key_load_or_make(&key, key_file, key_name, &made, err);
    }
    if (status == TERN_OK) {
        status = ti_receipt_write(&statement, &job->receipt, err);
    }
    if (status == TERN_OK) {
        status =
            ti_dsse_sign(&envelope, TI_PAYLOAD_TYPE, statement.data, statement.len, &key, err);
    }
    ti_note_signer_wipe(&key);
    if (status == TERN_OK) {
        ti_buf_addc(&envelope, '\n');
        status = envelope.failed
                     ? ti_fail_nomem(err, "receipt", envelope.len, "an envelope")
                     : write_file(file, envelope.data, envelope.len, false, true, err);
    }
    if (status == TERN_OK && made && (job->args->file || ti_stderr_is_tty())) {
        ti_note("made the key that signs receipts: %s", key_file);
    }
    ti_buf_free(&statement);
    ti_buf_free(&envelope);
    free(key_file);
    return status;
}

/* The receipt comes last: where it is, the others are too. */
static tern_status write_all(const ti_receipt_job *job, const ti_receipt_facts *f,
                             tern_err *err)
{
    char *file = NULL;
    tern_status status = job->args->file ? ti_receipt_beside(&file, job->args->file, "", err)
                                         : kept_file(&file, job->receipt.id, true, err);
    if (status == TERN_OK) {
        status = write_secrets(job, f, file, err);
    }
    if (status == TERN_OK) {
        status = write_trace(job, file, err);
    }
    if (status == TERN_OK) {
        status = write_envelope(job, file, err);
    }
    free(file);
    return status;
}

tern_status ti_receipt_finish(ti_receipt_job *job, const ti_receipt_facts *facts, tern_err *err)
{
    tern_err local = {.status = TERN_OK};
    if (!job->wanted) {
        return TERN_OK;
    }
    set_energy(job, facts);
    tern_status status = fill(job, facts, &local);
    if (status == TERN_OK) {
        status = write_all(job, facts, &local);
    }
    return forgive(job, status, &local, err);
}

void ti_receipt_describe(ti_buf *out, const ti_receipt *r)
{
    enum { PERMILLE = 10 };
    ti_buf_addf(out, "%llu tokens", (unsigned long long)r->work.output_tokens);
    if (r->has_energy) {
        ti_buf_adds(out, SEPARATOR);
        char joules[TI_AMOUNT_TEXT];
        ti_buf_adds(out, ti_joules_text(joules, r->energy.energy_uj));
        ti_buf_addf(out, " (%s " PLUS_MINUS "%g %%, %s)",
                    ti_receipt_evidence_name(r->energy.evidence),
                    (double)r->energy.error_permille / PERMILLE, r->energy.meter);
    }
    if (r->has_carbon) {
        char grams[TI_AMOUNT_TEXT];
        ti_buf_addf(out, SEPARATOR "%s CO2e (%s, %s)", ti_grams_text(grams, r->carbon.co2_ug),
                    r->carbon.source, r->carbon.basis);
    }
}

void ti_receipt_note(const ti_receipt *receipt)
{
    ti_buf line = {0};
    ti_receipt_describe(&line, receipt);
    if (!line.failed) {
        ti_note("%s" SEPARATOR "receipt %s", line.data, receipt->id);
    }
    ti_buf_free(&line);
}

void ti_receipt_end(ti_receipt_job *job)
{
    ti_energy_close(job->energy);
    free(job->model_path);
    ti_trace_free(&job->trace);
    sodium_memzero(job, sizeof *job);
}
