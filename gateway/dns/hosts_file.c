/*
 * hosts_file - see hosts_file.h. Lines become rows, sorted by name; rows of one name become its answer.
 */

#include "gateway/dns/hosts_file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/dns/answer.h"

enum {
    MAX_ROWS = 100000,
    MAX_BYTES = 16 * 1024 * 1024
};

struct row {
    struct str name; /* of the text */
    size_t line;
    struct sockaddr_storage address;
};

struct rows {
    struct row *at;
    size_t count;
};

struct host {
    struct str name;
    const struct resolver_answer *answer;
};

struct hosts_file {
    struct buf text; /* in lower case; names point into it */
    struct host *hosts;
    size_t count;
};

bool address_from_str(struct str text, struct sockaddr_storage *address)
{
    char copy[INET6_ADDRSTRLEN];
    struct sockaddr_in *four = (void *)address;
    struct sockaddr_in6 *six = (void *)address;

    if (text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
        text = str_part(text, 1, text.len - 1);
    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, copy, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, copy, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        return true;
    }
    return false;
}

struct hosts_version hosts_version_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct hosts_version){.there = false};
    return (struct hosts_version){true, status.st_mtim, status.st_ino, status.st_size};
}

bool hosts_version_equal(const struct hosts_version *a, const struct hosts_version *b)
{
    return a->there == b->there && a->changed_at.tv_sec == b->changed_at.tv_sec &&
           a->changed_at.tv_nsec == b->changed_at.tv_nsec && a->inode == b->inode && a->size == b->size;
}

static struct str next_word(struct str line, size_t *at)
{
    size_t start = *at;

    while (start < line.len && isspace((unsigned char)line.at[start]) != 0)
        start++;
    size_t end = start;
    while (end < line.len && isspace((unsigned char)line.at[end]) == 0)
        end++;
    *at = end;
    return str_part(line, start, end);
}

static void add_row(struct rows *rows, struct str name, size_t line, const struct sockaddr_storage *address)
{
    if (rows->count == MAX_ROWS)
        return;
    if ((rows->count & (rows->count - 1)) == 0)
        rows->at = mem_realloc(rows->at, (rows->count == 0 ? 1 : rows->count * 2) * sizeof(struct row));
    rows->at[rows->count++] = (struct row){name, line, *address};
}

static void add_line(struct rows *rows, struct str line, size_t number)
{
    struct sockaddr_storage address;
    size_t comment = str_find(line, '#', 0);
    size_t at = 0;

    if (comment != SIZE_MAX)
        line = str_part(line, 0, comment);
    if (!address_from_str(next_word(line, &at), &address))
        return;
    for (struct str name = next_word(line, &at); name.len > 0; name = next_word(line, &at))
        add_row(rows, name, number, &address);
}

static int compare_names(struct str a, struct str b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    int order = compare_names(left->name, right->name);

    if (order != 0)
        return order;
    return left->line < right->line ? -1 : left->line > right->line;
}

static bool add_bytes(int file, struct buf *text)
{
    for (;;) {
        char *room = buf_reserve(text, 65536);
        ssize_t got = read(file, room, 65536);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        text->len += (size_t)got;
        if (got == 0 || text->len > MAX_BYTES)
            return got == 0;
    }
}

static void read_text(const char *path, struct buf *text)
{
    /* Without O_NONBLOCK the opening of a named pipe would wait for its writer. */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;

    if (file < 0) {
        if (errno != ENOENT)
            log_warn("dns: cannot read the hosts file; path=%s errno=%d", path, errno);
        return;
    }
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || !add_bytes(file, text)) {
        log_warn("dns: the hosts file is not used: no regular file of at most 16 MiB; path=%s", path);
        buf_clear(text);
    }
    close(file);
    for (size_t i = 0; i < text->len; i++)
        text->at[i] = (char)tolower((unsigned char)text->at[i]);
}

/* The answer of one name: rows of the preferred family, or else of the other. */
static const struct resolver_answer *answer_of(const struct row *rows, size_t count, sa_family_t preferred,
                                               uint64_t number)
{
    struct resolver_address addresses[RESOLVER_MAX_ADDRESSES] = {{.port = 0}};
    sa_family_t family = rows[0].address.ss_family;
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        if (rows[i].address.ss_family == preferred)
            family = preferred;
    for (size_t i = 0; i < count && used < RESOLVER_MAX_ADDRESSES; i++)
        if (rows[i].address.ss_family == family)
            addresses[used++].at = rows[i].address;
    return answer_new(number, family == AF_INET ? DNS_A : DNS_AAAA, addresses, used);
}

static void make_hosts(struct hosts_file *file, const struct rows *rows, sa_family_t preferred,
                       uint64_t number)
{
    size_t end;

    file->hosts = mem_alloc(rows->count * sizeof(struct host));
    for (size_t at = 0; at < rows->count; at = end) {
        for (end = at + 1; end < rows->count && str_equal(rows->at[at].name, rows->at[end].name); end++)
            ;
        file->hosts[file->count++] =
            (struct host){rows->at[at].name, answer_of(&rows->at[at], end - at, preferred, number)};
    }
}

/* Where the file has a localhost of its own, these rows come behind it and are left out. */
static void add_localhost(struct rows *rows)
{
    static const struct str name = {"localhost", 9};
    struct sockaddr_storage address;

    for (size_t i = 0; i < rows->count; i++)
        if (str_equal(rows->at[i].name, name))
            return;
    if (address_from_str(STR("127.0.0.1"), &address))
        add_row(rows, name, SIZE_MAX - 1, &address);
    if (address_from_str(STR("::1"), &address))
        add_row(rows, name, SIZE_MAX, &address);
}

struct hosts_file *hosts_file_read(const char *path, sa_family_t preferred, uint64_t number)
{
    struct hosts_file *file = mem_zalloc(sizeof(*file));
    struct rows rows = {NULL, 0};
    size_t line = 0;

    read_text(path, &file->text);
    struct str text = buf_str(&file->text);
    for (size_t from = 0; from < text.len; line++) {
        size_t feed = str_find(text, '\n', from);
        size_t end = feed == SIZE_MAX ? text.len : feed;

        add_line(&rows, str_part(text, from, end), line);
        from = end + 1;
    }
    add_localhost(&rows);
    if (rows.count > 0) {
        qsort(rows.at, rows.count, sizeof(struct row), compare_rows);
        make_hosts(file, &rows, preferred, number);
    }
    free(rows.at);
    return file;
}

void hosts_file_free(struct hosts_file *file)
{
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->count; i++)
        resolver_answer_unref(file->hosts[i].answer);
    free(file->hosts);
    buf_fini(&file->text);
    free(file);
}

static struct host *find_host(const struct hosts_file *file, struct str name)
{
    size_t low = 0;
    size_t high = file->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_names(file->hosts[middle].name, name);

        if (order == 0)
            return &file->hosts[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool hosts_file_adopt(struct hosts_file *file, const struct hosts_file *before)
{
    bool differs = file->count != before->count;

    for (size_t i = 0; i < file->count; i++) {
        const struct host *old = find_host(before, file->hosts[i].name);

        if (old == NULL || !answer_equal(old->answer, file->hosts[i].answer)) {
            differs = true;
            continue;
        }
        resolver_answer_unref(file->hosts[i].answer);
        file->hosts[i].answer = resolver_answer_ref(old->answer);
    }
    return differs;
}

const struct resolver_answer *hosts_file_find(const struct hosts_file *file, struct str name)
{
    const struct host *host = find_host(file, name);

    return host != NULL ? host->answer : NULL;
}

size_t hosts_file_count(const struct hosts_file *file)
{
    return file->count;
}
