/* SPDX-License-Identifier: Apache-2.0 */
/* Looks first, tells afterwards: the same findings become lines or JSON. */
#include <curl/curl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/pool.h"
#include "cli/cmd.h"
#include "cli/machine.h"
#include "cli/meters.h"
#include "cli/models.h"
#include "cli/out.h"
#include "kern/kern.h"
#include "tern/version.h"

typedef struct doctor_args {
    const char *sysroot;
    bool json;
} doctor_args;

static const doctor_args defaults = {0};

static const ti_opt opts[] = {
    {.type = TI_OPT_STR,
     .name = "sysroot",
     .metavar = "DIR",
     .help = "look for energy meters below DIR",
     .words = TI_WORDS_FILE,
     .offset = offsetof(doctor_args, sysroot)},
    {.type = TI_OPT_FLAG,
     .name = "json",
     .help = "print one JSON document, schema tern.doctor/1",
     .offset = offsetof(doctor_args, json)},
    {0},
};

typedef struct findings {
    ti_machine machine;
    const ti_kern *kern; /* NULL when TERN_CPU asks for one that is not here */
    uint32_t threads;
    char *cache;         /* NULL when there is none */
    bool cache_writable; /* or can be made */
    uint64_t cache_free_bytes;
    char *model; /* path of the default model, or NULL */
    uint64_t model_bytes;
    ti_meters meters;
} findings;

/* The nearest directory above a path that exists. */
static void up_to_existing(char *path)
{
    struct stat st;
    while (stat(path, &st) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path) {
            path[slash == path ? 1 : 0] = '\0';
            return;
        }
        *slash = '\0';
    }
}

static void look_at_cache(findings *f)
{
    struct statvfs fs;
    tern_err ignored;
    if (ti_cache_path(&f->cache, "", &ignored) != TERN_OK) {
        return;
    }
    char *there = strdup(f->cache);
    if (!there) {
        return;
    }
    up_to_existing(there);
    const char *dir = *there ? there : ".";
    f->cache_writable = access(dir, W_OK | X_OK) == 0;
    if (statvfs(dir, &fs) == 0) {
        f->cache_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    }
    free(there);
}

static tern_status look(findings *f, const char *sysroot, tern_err *err)
{
    struct stat st;
    tern_err ignored;
    *f = (findings){0};
    TI_TRY(ti_meters_look(&f->meters, sysroot, TI_BOUNDARY_OTHER, err));
    ti_machine_look(&f->machine);
    f->kern = ti_kern_select(NULL);
    f->threads = ti_cpu_count();
    look_at_cache(f);
    if (ti_model_path(&f->model, NULL, &ignored) == TERN_OK && stat(f->model, &st) == 0) {
        f->model_bytes = (uint64_t)st.st_size;
    }
    ti_hint("%s", ""); /* the search may have left one */
    return TERN_OK;
}

static const char *compiler(void)
{
#if defined(__clang__)
    return "clang " __clang_version__;
#elif defined(__GNUC__)
    return "gcc " __VERSION__;
#else
    return "unknown";
#endif
}

/* What `tern run "..."` needs. */
static bool can_run(const findings *f)
{
    return f->kern && f->model;
}

/* --- lines ----------------------------------------------------------------------------------
 */

static void line(const char *state, const char *what, const char *format, ...) TI_PRINTF(3, 4);

static void line(const char *state, const char *what, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ti_printf("%-7s %s%-14s%s %s\n", state, ti_bold(), what, ti_plain(), text);
}

static void print_cache(const findings *f)
{
    char size[32];
    if (!f->cache) {
        line("missing", "cache", "set TERN_CACHE, XDG_CACHE_HOME or HOME");
    } else if (!f->cache_writable) {
        line("missing", "cache", "%s cannot be written; set TERN_CACHE to another place",
             f->cache);
    } else {
        line("ok", "cache", "%s, %s free", f->cache,
             ti_human_bytes(size, sizeof size, f->cache_free_bytes));
    }
}

static void print_huge_pages(const findings *f)
{
    const char *mode = f->machine.huge_pages;
    if (!*mode) {
        line("note", "huge pages", "the kernel does not tell");
    } else if (strcmp(mode, "never") == 0) {
        line("note", "huge pages",
             "never; writing madvise to /sys/kernel/mm/transparent_hugepage/enabled makes "
             "large models faster");
    } else {
        line("ok", "huge pages", "%s", mode);
    }
}

static void print_lines(const findings *f)
{
    char a[32], b[32];
    line("ok", "tern", "%s, built with %s", tern_version(), compiler());
    line("ok", "system", "%s", f->machine.system);
    line("ok", "processor", "%s", *f->machine.cpu ? f->machine.cpu : "unknown");
    line("ok", "features", "%s", *ti_cpu_features() ? ti_cpu_features() : "none that matter");
    if (f->kern) {
        line("ok", "kernels", "%s is used; there are %s", f->kern->name, ti_kern_names());
    } else {
        line("missing", "kernels", "TERN_CPU=%s is not for this processor; there are %s",
             getenv("TERN_CPU") ? getenv("TERN_CPU") : "", ti_kern_names());
    }
    line("ok", "threads", "%u", (unsigned)f->threads);
    line("ok", "memory", "%s, %s available",
         ti_human_bytes(a, sizeof a, f->machine.memory_bytes),
         ti_human_bytes(b, sizeof b, f->machine.available_bytes));
    print_huge_pages(f);
    print_cache(f);
    if (f->model) {
        line("ok", "default model", "%s, %s", f->model,
             ti_human_bytes(a, sizeof a, f->model_bytes));
    } else {
        line("missing", "default model",
             "%s comes with tern, but is not where this program was put", TI_DEFAULT_MODEL);
    }
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    line("ok", "libraries", "libcurl %s (%s), libsodium %s", curl->version,
         curl->ssl_version ? curl->ssl_version : "no TLS", sodium_version_string());
    ti_meters_print_doctor(&f->meters);
}

/* --- JSON -----------------------------------------------------------------------------------
 */

/* Adds the words of a list as strings. */
static void json_words(ti_buf *json, const char *key, const char *words)
{
    ti_json_open(json, key, '[');
    while (*words) {
        size_t n = strcspn(words, ", ");
        if (n > 0) {
            ti_json_strn(json, NULL, words, n);
        }
        words += n;
        words += strspn(words, ", ");
    }
    ti_json_close(json, ']');
}

static tern_status print_document(const findings *f, tern_err *err)
{
    ti_buf json = {0};
    ti_json_open(&json, NULL, '{');
    ti_json_str(&json, "schema", "tern.doctor/1");
    ti_json_bool(&json, "ok", can_run(f));
    ti_json_str(&json, "version", tern_version());
    ti_json_str(&json, "compiler", compiler());
    ti_json_str(&json, "system", f->machine.system);
    ti_json_open(&json, "cpu", '{');
    ti_json_str(&json, "name", f->machine.cpu);
    json_words(&json, "features", ti_cpu_features());
    json_words(&json, "kernels", ti_kern_names());
    if (f->kern) {
        ti_json_str(&json, "kernel", f->kern->name);
    }
    ti_json_uint(&json, "threads", f->threads);
    ti_json_close(&json, '}');
    ti_json_open(&json, "memory", '{');
    ti_json_uint(&json, "bytes", f->machine.memory_bytes);
    ti_json_uint(&json, "available_bytes", f->machine.available_bytes);
    ti_json_str(&json, "huge_pages", f->machine.huge_pages);
    ti_json_close(&json, '}');
    ti_json_open(&json, "cache", '{');
    if (f->cache) {
        ti_json_str(&json, "path", f->cache);
    }
    ti_json_bool(&json, "writable", f->cache_writable);
    ti_json_uint(&json, "free_bytes", f->cache_free_bytes);
    ti_json_close(&json, '}');
    ti_json_open(&json, "default_model", '{');
    ti_json_str(&json, "name", TI_DEFAULT_MODEL);
    ti_json_bool(&json, "present", f->model != NULL);
    if (f->model) {
        ti_json_str(&json, "path", f->model);
        ti_json_uint(&json, "bytes", f->model_bytes);
    }
    ti_json_close(&json, '}');
    ti_json_open(&json, "energy", '{');
    ti_json_meters(&json, &f->meters);
    ti_json_close(&json, '}');
    ti_json_open(&json, "libraries", '{');
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    ti_json_str(&json, "libcurl", curl->version);
    ti_json_str(&json, "tls", curl->ssl_version ? curl->ssl_version : "");
    ti_json_str(&json, "libsodium", sodium_version_string());
    ti_json_close(&json, '}');
    ti_json_close(&json, '}');
    tern_status status = ti_print_json(&json, err);
    ti_buf_free(&json);
    return status;
}

static tern_status run(const void *values, const ti_operands *given, tern_err *err)
{
    const doctor_args *args = values;
    findings f;
    tern_status status = TERN_OK;
    (void)given;
    TI_TRY(look(&f, args->sysroot, err));
    if (args->json) {
        status = print_document(&f, err);
    } else {
        print_lines(&f);
    }
    if (status == TERN_OK && !can_run(&f)) {
        status = TERN_NO;
    }
    ti_meters_free(&f.meters);
    free(f.cache);
    free(f.model);
    return status;
}

const ti_command ti_cmd_doctor = {
    .name = "doctor",
    .summary = "tell what works on this machine, and why the rest does not",
    .description =
        "Shows the processor and the kernels chosen for it, memory, the cache, "
        "the default model, and which energy meters work.  For meters that do not it "
        "says why, and prints what would change it; it changes nothing.  Exits with 0 when "
        "'tern run' would work, with 1 when "
        "something that it needs is missing.",
    .opts = opts,
    .defaults = &defaults,
    .size = sizeof defaults,
    .run = run,
};
