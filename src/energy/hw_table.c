/* SPDX-License-Identifier: Apache-2.0 */
#include "energy/hw_table.h"

#include <string.h>

/* Made by cmake/embed.cmake from share/hardware. */
extern const unsigned char ti_hw_cpus_csv[], ti_hw_servers_csv[];
extern const size_t ti_hw_cpus_csv_len, ti_hw_servers_csv_len;

#define CPU_HEADER "name,tdp_mw,source,year\n"
#define SERVER_HEADER                                     \
    "vendor,family,model,stepping_min,stepping_max,name," \
    "idle_uw_per_thread,full_uw_per_thread,source,year\n"

enum { CPU_FIELDS = 4, SERVER_FIELDS = 10, FIELDS_MAX = 10, NAME_MAX_BYTES = 64 };

typedef struct reader {
    const char *text;
    size_t len, at;  /* `at` = start of the next row */
    uint64_t row_at; /* start of the one that was read last */
    ti_str field[FIELDS_MAX];
    tern_err *err;
} reader;

static tern_status bad(const reader *r, const char *what)
{
    return ti_fail(r->err, TERN_CORRUPT, "hardware", r->row_at, "%s", what);
}

/* Printable ASCII: these names are shown to people. */
static bool is_text(ti_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < ' ' || s.data[i] > '~') {
            return false;
        }
    }
    return s.len > 0 && s.len < NAME_MAX_BYTES;
}

/* Splits the next row into exactly `n` fields. */
static tern_status next_row(reader *r, size_t n)
{
    r->row_at = r->at;
    const char *begin = r->text + r->at;
    const char *end = memchr(begin, '\n', r->len - r->at);
    if (!end) {
        return bad(r, "the last row does not end");
    }
    for (size_t i = 0; i < n; i++) {
        const char *comma = memchr(begin, ',', (size_t)(end - begin));
        if ((comma == NULL) != (i + 1 == n)) {
            return bad(r, "a row has not as many fields as the header");
        }
        const char *stop = comma ? comma : end;
        r->field[i] = (ti_str){.data = begin, .len = (size_t)(stop - begin)};
        if (!is_text(r->field[i])) {
            return bad(r, "a field is empty, too long, or no plain text");
        }
        begin = stop + 1;
    }
    r->at = (size_t)(end + 1 - r->text);
    return TERN_OK;
}

static tern_status number(const reader *r, size_t field, uint64_t max, uint32_t *out)
{
    ti_str s = r->field[field];
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || n > max) {
            return bad(r, "a field is no whole number in its range");
        }
        n = n * 10 + (uint64_t)(s.data[i] - '0');
    }
    if (n > max || (s.len > 1 && s.data[0] == '0')) {
        return bad(r, "a field is no whole number in its range");
    }
    *out = (uint32_t)n;
    return TERN_OK;
}

static tern_status year(const reader *r, size_t field, uint32_t *out)
{
    uint32_t y;
    TI_TRY(number(r, field, 2100, &y));
    if (y < 2000) {
        return bad(r, "a year is before 2000");
    }
    *out = y;
    return TERN_OK;
}

/* Checks the header and counts the rows. */
static tern_status open_table(reader *r, const char *text, size_t len, const char *header,
                              size_t *rows)
{
    size_t n = strlen(header);
    *r = (reader){.text = text, .len = len, .err = r->err};
    if (len < n || memcmp(text, header, n) != 0) {
        return bad(r, "the first row is not the header that is expected");
    }
    r->at = n;
    *rows = 0;
    for (size_t i = n; i < len; i++) {
        *rows += text[i] == '\n';
    }
    if (*rows > TI_HW_ROWS_MAX) {
        return ti_fail(r->err, TERN_LIMIT, "hardware", 0, "%zu rows, the limit is %d", *rows,
                       TI_HW_ROWS_MAX);
    }
    return TERN_OK;
}

static int compare(ti_str a, ti_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static tern_status read_cpus(ti_hw_table *t, reader *r)
{
    while (r->at < r->len) {
        ti_hw_cpu *row = &t->cpus[t->n_cpus];
        TI_TRY(next_row(r, CPU_FIELDS));
        row->name = r->field[0];
        TI_TRY(number(r, 1, 10000000, &row->tdp_mw));
        row->source = r->field[2];
        TI_TRY(year(r, 3, &row->year));
        if (row->tdp_mw == 0) {
            return bad(r, "a processor without power");
        }
        if (t->n_cpus > 0 && compare(row[-1].name, row->name) >= 0) {
            return bad(r, "names are not in ascending order");
        }
        t->n_cpus++;
    }
    return TERN_OK;
}

static tern_status read_servers(ti_hw_table *t, reader *r)
{
    enum { BYTE = 255, THREAD_UW_MAX = 1000000000 };
    while (r->at < r->len) {
        ti_hw_server *row = &t->servers[t->n_servers];
        TI_TRY(next_row(r, SERVER_FIELDS));
        row->vendor = r->field[0];
        TI_TRY(number(r, 1, BYTE, &row->family));
        TI_TRY(number(r, 2, BYTE, &row->model));
        TI_TRY(number(r, 3, BYTE, &row->stepping_min));
        TI_TRY(number(r, 4, BYTE, &row->stepping_max));
        row->name = r->field[5];
        TI_TRY(number(r, 6, THREAD_UW_MAX, &row->idle_uw));
        TI_TRY(number(r, 7, THREAD_UW_MAX, &row->full_uw));
        row->source = r->field[8];
        TI_TRY(year(r, 9, &row->year));
        if (row->idle_uw >= row->full_uw || row->stepping_min > row->stepping_max) {
            return bad(r, "a row whose ranges are empty");
        }
        t->n_servers++;
    }
    return TERN_OK;
}

/* Reads the rows of processors that `a` stands before, and all servers. */
static tern_status read_tables(ti_hw_table *out, reader *a, size_t n_cpus, const char *servers,
                               size_t servers_len)
{
    ti_hw_table t = {0};
    reader b = {.err = a->err};
    size_t n_servers = 0;
    TI_TRY(open_table(&b, servers, servers_len, SERVER_HEADER, &n_servers));
    t.cpus = ti_arena_calloc(&t.arena, n_cpus + 1, sizeof *t.cpus);
    t.servers = ti_arena_calloc(&t.arena, n_servers + 1, sizeof *t.servers);
    tern_status status =
        t.cpus && t.servers
            ? TERN_OK
            : ti_fail_nomem(a->err, "hardware", n_cpus * sizeof *t.cpus, "the tables");
    if (status == TERN_OK) {
        status = read_cpus(&t, a);
    }
    if (status == TERN_OK) {
        status = read_servers(&t, &b);
    }
    if (status != TERN_OK) {
        ti_arena_free(&t.arena);
        return status;
    }
    *out = t;
    return TERN_OK;
}

tern_status ti_hw_table_parse(ti_hw_table *out, const char *cpus, size_t cpus_len,
                              const char *servers, size_t servers_len, tern_err *err)
{
    reader a = {.err = err};
    size_t n_cpus = 0;
    TI_TRY(open_table(&a, cpus, cpus_len, CPU_HEADER, &n_cpus));
    return read_tables(out, &a, n_cpus, servers, servers_len);
}

tern_status ti_hw_table_builtin(ti_hw_table *out, tern_err *err)
{
    return ti_hw_table_parse(out, (const char *)ti_hw_cpus_csv, ti_hw_cpus_csv_len,
                             (const char *)ti_hw_servers_csv, ti_hw_servers_csv_len, err);
}

/* Lets `r` stand before the row of a processor in the sorted text, and end after it; false when
 * there is none. */
static bool find_row(reader *r, ti_str name)
{
    size_t end = r->len;
    while (r->at < end) {
        size_t row = r->at + (end - r->at) / 2;
        while (row > r->at && r->text[row - 1] != '\n') {
            row--;
        }
        const char *stop = memchr(r->text + row, '\n', end - row);
        const char *comma = memchr(r->text + row, ',', end - row);
        if (!stop || !comma) {
            break;
        }
        size_t next = (size_t)(stop + 1 - r->text);
        ti_str found = {.data = r->text + row, .len = (size_t)(comma - (r->text + row))};
        int c = compare(found, name);
        if (c == 0) {
            r->at = row;
            r->len = next;
            return true;
        }
        r->at = c < 0 ? next : r->at;
        end = c < 0 ? end : row;
    }
    r->at = r->len;
    return false;
}

tern_status ti_hw_table_for(ti_hw_table *out, const ti_host *host, tern_err *err)
{
    ti_str name = {.data = host->name, .len = strlen(host->name)};
    reader a = {.text = (const char *)ti_hw_cpus_csv,
                .len = ti_hw_cpus_csv_len,
                .at = sizeof CPU_HEADER - 1,
                .err = err};
    size_t n_cpus = find_row(&a, name) ? 1 : 0;
    return read_tables(out, &a, n_cpus, (const char *)ti_hw_servers_csv, ti_hw_servers_csv_len);
}

void ti_hw_table_free(ti_hw_table *table)
{
    ti_arena_free(&table->arena);
    *table = (ti_hw_table){0};
}

const ti_hw_cpu *ti_hw_find_cpu(const ti_hw_table *table, const ti_host *host)
{
    ti_str name = {.data = host->name, .len = strlen(host->name)};
    size_t low = 0, high = table->n_cpus;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(table->cpus[middle].name, name);
        if (c == 0) {
            return &table->cpus[middle];
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const ti_hw_server *ti_hw_find_server(const ti_hw_table *table, const ti_host *host)
{
    ti_str vendor = {.data = host->vendor, .len = strlen(host->vendor)};
    for (size_t i = 0; i < table->n_servers; i++) {
        const ti_hw_server *s = &table->servers[i];
        if (compare(s->vendor, vendor) == 0 && s->family == host->family &&
            s->model == host->model && s->stepping_min <= host->stepping &&
            host->stepping <= s->stepping_max) {
            return s;
        }
    }
    return NULL;
}
