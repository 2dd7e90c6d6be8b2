/*
 * hosts_file - see hosts_file.h. Rows are kept sorted by name, in the order of the file among equals.
 */

#include "gateway/dns/hosts_file.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

enum {
    MAX_ROWS = 100000
};

struct row {
    char *name; /* lower case */
    size_t line;
    struct sockaddr_storage address;
};

struct hosts_file {
    struct row *rows;
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

static void add_row(struct hosts_file *file, struct str name, size_t line,
                    const struct sockaddr_storage *address)
{
    if (file->count == MAX_ROWS)
        return;
    if ((file->count & (file->count - 1)) == 0)
        file->rows = mem_realloc(file->rows, (file->count == 0 ? 1 : file->count * 2) * sizeof(struct row));
    struct row *row = &file->rows[file->count++];
    row->name = mem_strndup(name.at, name.len);
    for (char *c = row->name; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    row->line = line;
    row->address = *address;
}

static void add_line(struct hosts_file *file, struct str line, size_t number)
{
    struct sockaddr_storage address;
    size_t comment = str_find(line, '#', 0);
    size_t at = 0;

    if (comment != SIZE_MAX)
        line = str_part(line, 0, comment);
    if (!address_from_str(next_word(line, &at), &address))
        return;
    for (struct str name = next_word(line, &at); name.len > 0; name = next_word(line, &at))
        add_row(file, name, number, &address);
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *left = a;
    const struct row *right = b;
    int order = strcmp(left->name, right->name);

    if (order != 0)
        return order;
    return left->line < right->line ? -1 : left->line > right->line;
}

struct hosts_file *hosts_file_read(const char *path)
{
    struct hosts_file *file = mem_zalloc(sizeof(*file));
    FILE *from = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    size_t number = 0;
    ssize_t length;

    if (from == NULL) {
        if (errno != ENOENT)
            log_warn("dns: cannot read the hosts file; path=%s error=%s", path, strerror(errno));
        return file;
    }
    while ((length = getline(&line, &size, from)) >= 0)
        add_line(file, (struct str){line, (size_t)length}, number++);
    free(line);
    (void)fclose(from); /* it was only read */
    if (file->count > 0)
        qsort(file->rows, file->count, sizeof(struct row), compare_rows);
    return file;
}

void hosts_file_free(struct hosts_file *file)
{
    if (file == NULL)
        return;
    for (size_t i = 0; i < file->count; i++)
        free(file->rows[i].name);
    free(file->rows);
    free(file);
}

size_t hosts_file_find(const struct hosts_file *file, struct str name, struct sockaddr_storage *addresses,
                       size_t capacity)
{
    size_t low = 0;
    size_t high = file->count;
    size_t count = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *at = file->rows[middle].name;
        int order = strncmp(at, name.at, name.len);

        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    /* The shortest name with this beginning comes first: the name itself, if it is there. */
    for (; low < file->count && count < capacity && str_equal(str_of(file->rows[low].name), name); low++)
        addresses[count++] = file->rows[low].address;
    return count;
}
