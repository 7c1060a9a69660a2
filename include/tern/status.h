/* SPDX-License-Identifier: Apache-2.0 */
/* tern/status.h - how libtern reports that something could not be done.
 *
 * Every function that can fail returns a tern_status and takes a tern_err as its last
 * parameter.  The tern_err belongs to the caller, may be NULL, and is written only on
 * failure.  On failure every other output is left as it was.  The library never prints,
 * never exits and never aborts on input that came from outside. */
#ifndef TERN_STATUS_H
#define TERN_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TERN_API __attribute__((visibility("default")))
#define TERN_MUST_USE __attribute__((warn_unused_result))
#else
#define TERN_API
#define TERN_MUST_USE
#endif

/* One line each: name, value, exit code of the command `tern`, text. */
#define TERN_STATUS_TABLE(X)                         \
    X(OK, 0, 0, "ok")                                \
    X(NO, 1, 1, "ran, and the answer is no")         \
    X(USAGE, 2, 2, "called wrongly")                 \
    X(UNAVAILABLE, 3, 3, "not available here")       \
    X(CORRUPT, 4, 4, "data is corrupt")              \
    X(UNSUPPORTED, 5, 4, "valid, but not supported") \
    X(LIMIT, 6, 4, "larger than a limit")            \
    X(IO, 7, 5, "input or output failed")            \
    X(NOMEM, 8, 6, "out of memory")                  \
    X(CANCELLED, 9, 130, "cancelled")                \
    X(INTERNAL, 10, 70, "internal error")

typedef enum tern_status {
#define TERN_STATUS_ENUM(name, value, exit_code, text) TERN_##name = value,
    TERN_STATUS_TABLE(TERN_STATUS_ENUM)
#undef TERN_STATUS_ENUM
} tern_status;

/* What went wrong, where.  Fixed size and without pointers, so that reporting an error
 * never allocates and the record can be copied. */
typedef struct tern_err {
    tern_status status;
    char module[24];   /* "gguf", "tokenizer", "session", ... */
    uint64_t offset;   /* byte offset in the input, or UINT64_MAX when there is none */
    char message[232]; /* one line, lower case, no full stop, names the object */
} tern_err;

/* Returns the upper-case name of a status, for example "CORRUPT"; "?" for a value that is
 * no status.  The string is static.  Thread-safe. */
TERN_API const char *tern_status_name(tern_status status);

/* Returns a one-line description of a status in lower case; "unknown status" for a value
 * that is none.  The string is static.  Thread-safe. */
TERN_API const char *tern_status_text(tern_status status);

/* Returns the exit code (0..255) with which the command `tern` reports a status; 70 for a
 * value that is no status.  Thread-safe. */
TERN_API int tern_status_exit_code(tern_status status);

#ifdef __cplusplus
}
#endif

#endif
