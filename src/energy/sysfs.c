/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "energy/meter.h"

__extension__ typedef unsigned __int128 wide;

enum { MAX_NAMES = 65536, MAX_CPU = 65535 };

/* --- text ------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank((*text)[*len - 1])) {
        --*len;
    }
    while (*len > 0 && is_blank(**text)) {
        ++*text;
        --*len;
    }
}

/* Takes digits from the front: false without any or with too many. */
static bool take_u64(const char **text, size_t *len, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    for (; n < *len && is_digit((*text)[n]); n++) {
        if (!ti_mul_u64(value, 10, &value) ||
            !ti_add_u64(value, (uint64_t)((*text)[n] - '0'), &value)) {
            return false;
        }
    }
    *text += n;
    *len -= n;
    if (n > 0) {
        *out = value;
    }
    return n > 0;
}

bool ti_sys_parse_u64(const char *text, size_t len, uint64_t *out)
{
    uint64_t value = 0;
    trim(&text, &len);
    if (!take_u64(&text, &len, &value) || len > 0) {
        return false;
    }
    *out = value;
    return true;
}

bool ti_sys_parse_magnitude(const char *text, size_t len, uint64_t *out)
{
    trim(&text, &len);
    bool minus = len > 0 && *text == '-';
    if (minus && (len == 1 || !is_digit(text[1]))) {
        return false;
    }
    return ti_sys_parse_u64(text + minus, len - minus, out);
}

/* Takes digits, up to 19 of which count; the others are worth a power of ten. */
static size_t take_digits(const char **text, size_t *len, uint64_t *digits, int *dropped)
{
    size_t n = 0;
    *dropped = 0;
    for (; n < *len && is_digit((*text)[n]); n++) {
        if (*digits < UINT64_C(1000000000000000000)) {
            *digits = *digits * 10 + (uint64_t)((*text)[n] - '0');
        } else {
            ++*dropped;
        }
    }
    *text += n;
    *len -= n;
    return n;
}

/* Takes "e-10" and the like; nothing there is 0. */
static bool take_exponent(const char **text, size_t *len, int *exponent)
{
    uint64_t value = 0;
    *exponent = 0;
    if (*len == 0 || (**text != 'e' && **text != 'E')) {
        return true;
    }
    ++*text;
    --*len;
    bool minus = *len > 0 && **text == '-';
    if (*len > 0 && (**text == '-' || **text == '+')) {
        ++*text;
        --*len;
    }
    if (!take_u64(text, len, &value) || value > 999) {
        return false;
    }
    *exponent = minus ? -(int)value : (int)value;
    return true;
}

bool ti_sys_parse_decimal(const char *text, size_t len, uint64_t *digits, int *exponent)
{
    uint64_t value = 0;
    int dropped = 0, dropped_after = 0, tens = 0;
    trim(&text, &len);
    size_t before = take_digits(&text, &len, &value, &dropped), after = 0;
    if (len > 0 && *text == '.') {
        text++;
        len--;
        after = take_digits(&text, &len, &value, &dropped_after);
    }
    if (before + after == 0 || !take_exponent(&text, &len, &tens) || len > 0) {
        return false;
    }
    *digits = value;
    *exponent = tens + dropped - (int)(after - (size_t)dropped_after);
    return true;
}

/* Rounds m / 2^s to 53 bits of m, and drops zeros at its end. */
static void round_to_53(wide *m, int *s)
{
    int extra = 0;
    while (*m >> extra >> 53) {
        extra++;
    }
    if (extra > 0) {
        *m = (*m + ((wide)1 << (extra - 1))) >> extra;
        *s -= extra;
    }
    for (; *s > 0 && *m % 2 == 0; --*s) {
        *m >>= 1;
    }
}

bool ti_sys_joule_scale(const char *text, size_t len, uint64_t *scale, unsigned *shift)
{
    enum { SMALLEST = -40, TO_MICRO = 6 };
    const wide low = (wide)1 << 116;
    uint64_t digits = 0;
    int tens = 0, s = 0;
    if (!ti_sys_parse_decimal(text, len, &digits, &tens) || digits == 0 || tens > 0 ||
        tens < SMALLEST) {
        return false;
    }
    wide m = digits; /* the value is m / 2^s */
    for (tens += TO_MICRO; tens > 0; tens--) {
        m *= 10;
    }
    for (; tens < 0; tens++) {
        for (; m < low; s++) {
            m <<= 1;
        }
        m = (m + 5) / 10;
    }
    round_to_53(&m, &s);
    for (; s < 0; s++) {
        m <<= 1;
    }
    /* At most 10^6 uJ = 1 J, at least 2^-30 uJ = 10^-15 J. */
    if (s > 83 || m > (wide)1000000 << s || (s > 30 && m < (wide)1 << (s - 30))) {
        return false;
    }
    *scale = (uint64_t)m;
    *shift = (unsigned)s;
    return true;
}

bool ti_sys_parse_cpus(const char *text, size_t len, uint32_t *cpus, size_t cap, size_t *n)
{
    size_t count = 0;
    trim(&text, &len);
    for (bool more = true; more;) {
        uint64_t first = 0;
        if (!take_u64(&text, &len, &first)) {
            return false;
        }
        uint64_t last = first;
        if (len > 0 && *text == '-') {
            text++;
            len--;
            if (!take_u64(&text, &len, &last)) {
                return false;
            }
        }
        if (last < first || last > MAX_CPU || last - first >= cap - count) {
            return false;
        }
        for (uint64_t cpu = first; cpu <= last; cpu++) {
            cpus[count++] = (uint32_t)cpu;
        }
        more = len > 0 && *text == ',' && count < cap;
        text += more;
        len -= more;
    }
    if (len > 0) {
        return false;
    }
    *n = count;
    return true;
}

bool ti_sys_parse_event(const char *text, size_t len, uint64_t *config)
{
    static const char key[] = "event=";
    uint64_t value = 0;
    size_t n = 0;
    trim(&text, &len);
    if (len <= sizeof key - 1 || memcmp(text, key, sizeof key - 1) != 0) {
        return false;
    }
    text += sizeof key - 1;
    len -= sizeof key - 1;
    if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        for (n = 2; n < len && text[n] != ','; n++) {
            char c = (char)(text[n] | 0x20);
            if ((!is_digit(text[n]) && (c < 'a' || c > 'f')) || n >= 18) {
                return false;
            }
            value = value << 4 | (uint64_t)(is_digit(text[n]) ? text[n] - '0' : c - 'a' + 10);
        }
        if (n == 2) {
            return false;
        }
    } else {
        const char *rest = text;
        size_t left = len;
        if (!take_u64(&rest, &left, &value) || (left > 0 && *rest != ',')) {
            return false;
        }
    }
    *config = value;
    return true;
}

uint32_t ti_sys_number_in(const char *text, uint32_t fallback)
{
    uint64_t value = 0;
    text += strcspn(text, "0123456789");
    size_t len = strlen(text);
    return take_u64(&text, &len, &value) && value <= UINT32_MAX ? (uint32_t)value : fallback;
}

/* --- files ------------------------------------------------------------------------------ */

static int read_value(int fd, char text[TI_SYS_TEXT], size_t *len)
{
    ssize_t got = 0;
    do {
        got = pread(fd, text, TI_SYS_TEXT - 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return errno;
    }
    if (got == TI_SYS_TEXT - 1) {
        return EFBIG;
    }
    size_t n = (size_t)got;
    while (n > 0 && is_blank(text[n - 1])) {
        n--;
    }
    text[n] = '\0';
    *len = n;
    return 0;
}

int ti_sys_read(const char *path, char text[TI_SYS_TEXT], size_t *len)
{
    ti_sys_file file = {.path = path, .fd = -1};
    if (!path) {
        return ENOMEM;
    }
    int errnum = ti_sys_file_read(&file, text, len);
    ti_sys_file_close(&file);
    return errnum;
}

int ti_sys_read_u64(const char *path, uint64_t *out)
{
    char text[TI_SYS_TEXT];
    size_t len = 0;
    int errnum = ti_sys_read(path, text, &len);
    if (errnum) {
        return errnum;
    }
    return ti_sys_parse_u64(text, len, out) ? 0 : EBADMSG;
}

int ti_sys_file_open(ti_sys_file *file)
{
    if (file->fd < 0) {
        /* O_NONBLOCK: a pipe in a made-up tree would be waited for. */
        file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    return file->fd < 0 ? errno : 0;
}

int ti_sys_file_read(ti_sys_file *file, char text[TI_SYS_TEXT], size_t *len)
{
    int errnum = ti_sys_file_open(file);
    if (!errnum) {
        errnum = read_value(file->fd, text, len);
    }
    if (errnum) {
        ti_sys_file_close(file);
    }
    return errnum;
}

void ti_sys_file_close(ti_sys_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    file->fd = -1;
}

uint32_t ti_sys_flags(int errnum)
{
    switch (errnum) {
    case 0:
        return 0;
    case EACCES:
    case EPERM:
        return TI_READ_DENIED;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ENOTDIR:
        return TI_READ_GONE;
    case EFBIG:
    case EBADMSG:
        return TI_READ_GARBAGE;
    default:
        return TI_READ_IO;
    }
}

/* --- directories ------------------------------------------------------------------------ */

/* "intel-rapl:2" before "intel-rapl:10": numbers in names are compared as numbers. */
static int compare_names(const void *left, const void *right)
{
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    for (; *a && *b; a++, b++) {
        if (is_digit(*a) && is_digit(*b)) {
            size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
            if (na != nb) {
                return na < nb ? -1 : 1;
            }
        }
        if (*a != *b) {
            break;
        }
    }
    return (unsigned char)*a - (unsigned char)*b;
}

/* Names are shown to people: nothing that a terminal would obey. */
static bool is_plain(const char *name)
{
    for (; *name; name++) {
        if (*name <= ' ' || *name > '~') {
            return false;
        }
    }
    return true;
}

static tern_status collect(const char ***names, size_t *n, ti_arena *arena, DIR *dir,
                           const char *prefix, tern_err *err)
{
    size_t cap = 0, prefix_len = strlen(prefix);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, prefix, prefix_len) != 0 ||
            !is_plain(entry->d_name)) {
            continue;
        }
        if (*n == MAX_NAMES) {
            return ti_fail(err, TERN_LIMIT, "energy", TI_NO_OFFSET,
                           "a directory of meters has more than %d entries", MAX_NAMES);
        }
        if (*n == cap) {
            cap = cap ? 2 * cap : 16;
            const char **more = ti_arena_calloc(arena, cap, sizeof *more);
            if (!more) {
                return ti_fail_nomem(err, "energy", cap * sizeof *more, "names of meters");
            }
            if (*n > 0) {
                memcpy(more, *names, *n * sizeof *more);
            }
            *names = more;
        }
        const char *copy = ti_arena_strndup(arena, entry->d_name, strlen(entry->d_name));
        if (!copy) {
            return ti_fail_nomem(err, "energy", strlen(entry->d_name) + 1, "a meter's name");
        }
        (*names)[(*n)++] = copy;
    }
    return TERN_OK;
}

tern_status ti_sys_names(const char ***out, size_t *n, int *errnum, ti_arena *arena,
                         const char *path, const char *prefix, tern_err *err)
{
    const char **names = NULL;
    size_t count = 0;
    if (!path) {
        return ti_fail_nomem(err, "energy", 0, "a path");
    }
    DIR *dir = opendir(path);
    if (!dir && errno == ENOMEM) {
        return ti_fail_nomem(err, "energy", 0, "a directory");
    }
    *errnum = dir ? 0 : errno;
    if (dir) {
        tern_status status = collect(&names, &count, arena, dir, prefix, err);
        closedir(dir);
        TI_TRY(status);
    }
    if (count > 1) {
        qsort(names, count, sizeof *names, compare_names);
    }
    *out = names;
    *n = count;
    return TERN_OK;
}
