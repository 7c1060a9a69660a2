/* SPDX-License-Identifier: Apache-2.0 */
/* base/err.h - filling a tern_err, passing failures up, and assertions.
 *
 * TI_ASSERT is for programming errors only and stays on in release builds.  Nothing that a
 * file, a prompt or a client controls may reach it. */
#ifndef TI_BASE_ERR_H
#define TI_BASE_ERR_H

#include <stdarg.h>
#include <stdint.h>

#include "tern/status.h"

#define TI_NO_OFFSET UINT64_MAX

#if defined(__GNUC__)
#define TI_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TI_LIKELY(x) __builtin_expect(!!(x), 1)
#define TI_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define TI_PRINTF(fmt, args)
#define TI_LIKELY(x) (x)
#define TI_UNLIKELY(x) (x)
#endif

/* Fills `err` (NULL is allowed) and returns `status`, so that a failure is one statement:
 *     return ti_fail(err, TERN_CORRUPT, "gguf", at, "tensor '%s': ...", name);
 * Messages are cut, never overrun; control characters and bytes that are no UTF-8 are replaced
 * by '?'.  Arguments may point into `err`. */
tern_status ti_fail(tern_err *err, tern_status status, const char *module, uint64_t offset,
                    const char *format, ...) TI_PRINTF(5, 6);

/* ti_fail() for TERN_IO: appends the text of `errnum`. */
tern_status ti_fail_errno(tern_err *err, int errnum, const char *module, const char *format,
                          ...) TI_PRINTF(4, 5);

/* ti_fail() for TERN_NOMEM: says how many bytes could not be had for what. */
tern_status ti_fail_nomem(tern_err *err, const char *module, uint64_t bytes, const char *what);

/* Compilers look at one file at a time.  These say that what comes back is a failure, so that
 * no warning is given for outputs that a failed call left alone. */
static inline tern_status ti_status_of(tern_status known, tern_status returned)
{
    (void)returned;
    return known;
}
#define ti_fail(err, status, ...) ti_status_of(status, ti_fail(err, status, __VA_ARGS__))
#define ti_fail_errno(...) ti_status_of(TERN_IO, ti_fail_errno(__VA_ARGS__))
#define ti_fail_nomem(...) ti_status_of(TERN_NOMEM, ti_fail_nomem(__VA_ARGS__))

/* Writes file, line and expression to stderr and aborts. */
_Noreturn void ti_assert_failed(const char *expression, const char *file, int line);

#define TI_ASSERT(expr) \
    (TI_LIKELY(expr) ? (void)0 : ti_assert_failed(#expr, __FILE__, __LINE__))

/* Returns from the current function when `expr` fails. */
#define TI_TRY(expr)                                 \
    do {                                             \
        tern_status ti_try_status = (expr);          \
        if (TI_UNLIKELY(ti_try_status != TERN_OK)) { \
            return ti_try_status;                    \
        }                                            \
    } while (0)

#endif
