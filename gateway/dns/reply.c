/*
 * reply - see reply.h. The answer section is walked once per alias and once for the records: it is small, and
 * servers may send it in any order.
 */

#include "gateway/dns/reply.h"

#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

enum {
    HEADER_SIZE = 12,
    CLASS_IN = 1,
    LONGEST_NAME = 253,
    LONGEST_LABEL = 63,
    POINTER = 0xc0,
};

struct reader {
    const uint8_t *bytes;
    size_t size, at;
};

struct record_head {
    char owner[DNS_NAME_SIZE];
    bool odd; /* the owner is not the name of a host */
    uint16_t type, class;
    int64_t ttl_s;
    size_t data, end; /* where the data are in the message */
};

static uint16_t number_at(const struct reader *reader, size_t at)
{
    return (uint16_t)(reader->bytes[at] << 8 | reader->bytes[at + 1]);
}

/* One label as text. False: the name is too long. *odd: it has what names of hosts do not have. */
static bool add_label(const uint8_t *label, size_t length, char to[DNS_NAME_SIZE], size_t *used, bool *odd)
{
    if (*used + length + 1 > LONGEST_NAME + 1)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (isalnum(label[i]) == 0 && label[i] != '-' && label[i] != '_')
            *odd = true;
        to[(*used)++] = (char)tolower(label[i]);
    }
    to[(*used)++] = '.';
    return true;
}

/* Pointers may only lead backwards, each further than the one before: so there is an end. */
static bool read_name(struct reader *reader, char to[DNS_NAME_SIZE], bool *odd)
{
    size_t at = reader->at;
    size_t limit = at;
    size_t used = 0;
    bool jumped = false;

    *odd = false;
    for (;;) {
        if (at + 2 > reader->size && (at + 1 > reader->size || reader->bytes[at] != 0))
            return false;
        size_t length = reader->bytes[at];
        if (length >= POINTER) {
            size_t target = number_at(reader, at) & 0x3fffu;

            if (target >= limit)
                return false;
            if (!jumped)
                reader->at = at + 2;
            jumped = true;
            limit = target;
            at = target;
            continue;
        }
        at++;
        if (length == 0)
            break;
        if (length > LONGEST_LABEL || length > reader->size - at ||
            !add_label(reader->bytes + at, length, to, &used, odd))
            return false;
        at += length;
    }
    if (!jumped)
        reader->at = at;
    to[used > 0 ? used - 1 : 0] = '\0';
    return true;
}

static bool read_head(struct reader *reader, struct record_head *head)
{
    if (!read_name(reader, head->owner, &head->odd) || reader->size - reader->at < 10)
        return false;
    size_t at = reader->at;
    uint32_t ttl = (uint32_t)number_at(reader, at + 4) << 16 | number_at(reader, at + 6);

    head->type = number_at(reader, at);
    head->class = number_at(reader, at + 2);
    head->ttl_s = ttl > INT32_MAX ? 0 : ttl; /* the top bit set means 0: RFC 2181, section 8 */
    head->data = at + 10;
    head->end = head->data + number_at(reader, at + 8);
    if (head->end > reader->size)
        return false;
    reader->at = head->end;
    return true;
}

static bool is_wanted(const struct record_head *head, enum dns_type type, const char *owner)
{
    return head->class == CLASS_IN && head->type == type && !head->odd && strcmp(head->owner, owner) == 0;
}

static void shorten_ttl(struct reply *reply, int64_t ttl_s)
{
    if (ttl_s < reply->ttl_s)
        reply->ttl_s = ttl_s;
}

/* Keeps `rows` sorted and without repetitions; of more than 32 the last ones go. Returns the new count. */
static size_t insert_row(void *rows, size_t count, const void *row, size_t size, bool *cut)
{
    char *at = rows;
    size_t place = 0;

    while (place < count && memcmp(at + place * size, row, size) < 0)
        place++;
    if (place < count && memcmp(at + place * size, row, size) == 0)
        return count;
    if (count == REPLY_MAX_RECORDS) {
        *cut = true;
        if (place == count)
            return count;
        count--;
    }
    memmove(at + (place + 1) * size, at + place * size, (count - place) * size);
    memcpy(at + place * size, row, size);
    return count + 1;
}

static bool add_address(const struct reader *reader, const struct record_head *head, struct reply *reply)
{
    struct sockaddr_storage address = {0};
    size_t length = head->end - head->data;

    if (reply->type == DNS_A) {
        struct sockaddr_in *four = (void *)&address;

        if (length != sizeof(four->sin_addr))
            return false;
        four->sin_family = AF_INET;
        memcpy(&four->sin_addr, reader->bytes + head->data, length);
    } else {
        struct sockaddr_in6 *six = (void *)&address;

        if (length != sizeof(six->sin6_addr))
            return false;
        six->sin6_family = AF_INET6;
        memcpy(&six->sin6_addr, reader->bytes + head->data, length);
    }
    reply->count = insert_row(reply->addresses, reply->count, &address, sizeof(address), &reply->cut);
    return true;
}

static bool add_service(const struct reader *reader, const struct record_head *head, struct reply *reply)
{
    struct reader data = {reader->bytes, head->end, head->data + 6};
    struct reply_service service;
    bool odd;

    memset(&service, 0, sizeof(service)); /* compared as bytes */
    if (head->end - head->data < 7 || !read_name(&data, service.target, &odd))
        return false;
    char *end = service.target + strlen(service.target);
    memset(end, 0, sizeof(service.target) - (size_t)(end - service.target));
    service.priority = number_at(reader, head->data);
    service.weight = number_at(reader, head->data + 2);
    service.port = number_at(reader, head->data + 4);
    for (const char *c = service.target; *c != '\0'; c++)
        odd = odd || (isalnum((unsigned char)*c) == 0 && *c != '-' && *c != '_' && *c != '.');
    if (odd || service.target[0] == '\0') /* "." says that the service is not offered: RFC 2782 */
        return true;
    if (reply->count > 0 && service.priority > reply->services[0].priority)
        return true;
    if (reply->count > 0 && service.priority < reply->services[0].priority) {
        reply->count = 0;
        reply->cut = false;
    }
    reply->count = insert_row(reply->services, reply->count, &service, sizeof(service), &reply->cut);
    return true;
}

/* Follows one alias of `reply->name`. False: the message is malformed. */
static bool follow_alias(struct reader reader, size_t records, struct reply *reply, bool *followed)
{
    struct record_head head;
    bool odd;

    *followed = false;
    for (size_t i = 0; i < records; i++) {
        if (!read_head(&reader, &head))
            return false;
        if (*followed || !is_wanted(&head, DNS_CNAME, reply->name))
            continue;
        struct reader data = {reader.bytes, head.end, head.data};
        if (!read_name(&data, reply->name, &odd) || odd)
            return false;
        *followed = true;
        reply->aliased = true;
        shorten_ttl(reply, head.ttl_s);
    }
    return true;
}

static bool take_records(struct reader *reader, size_t records, struct reply *reply)
{
    struct record_head head;

    for (size_t i = 0; i < records; i++) {
        if (!read_head(reader, &head))
            return false;
        if (!is_wanted(&head, reply->type, reply->name))
            continue;
        if (!(reply->type == DNS_SRV ? add_service(reader, &head, reply) : add_address(reader, &head, reply)))
            return false;
        shorten_ttl(reply, head.ttl_s);
    }
    return true;
}

static bool has_soa(struct reader reader, size_t records)
{
    struct record_head head;

    for (size_t i = 0; i < records; i++) {
        if (!read_head(&reader, &head))
            return false;
        if (head.type == DNS_SOA)
            return true;
    }
    return false;
}

static bool skip_questions(struct reader *reader, size_t count)
{
    char name[DNS_NAME_SIZE];
    bool odd;

    for (size_t i = 0; i < count; i++) {
        if (!read_name(reader, name, &odd) || reader->size - reader->at < 4)
            return false;
        reader->at += 4;
    }
    return true;
}

static bool bad(const char **why, const char *text)
{
    *why = text;
    return false;
}

bool reply_read(const uint8_t *bytes, size_t size, const char *name, struct reply *reply, const char **why)
{
    struct reader reader = {bytes, size, HEADER_SIZE};
    bool followed = true;

    reply->aliased = false;
    reply->cut = false;
    reply->count = 0;
    reply->ttl_s = INT32_MAX;
    if (size < HEADER_SIZE || strlen(name) >= sizeof(reply->name))
        return bad(why, "a reply that is too short");
    memcpy(reply->name, name, strlen(name) + 1);
    size_t records = number_at(&reader, 6);
    if (!skip_questions(&reader, number_at(&reader, 4)))
        return bad(why, "a malformed reply");
    for (int aliases = 0; followed; aliases++) {
        if (aliases > REPLY_MAX_ALIASES)
            return bad(why, "aliases without end");
        if (!follow_alias(reader, records, reply, &followed))
            return bad(why, "a malformed reply");
        if (reply->type == DNS_CNAME)
            break; /* one is what was asked for */
    }
    if (!take_records(&reader, reply->type == DNS_CNAME ? 0 : records, reply))
        return bad(why, "a malformed reply");
    reply->final = reply->type != DNS_CNAME && has_soa(reader, number_at(&reader, 8));
    return true;
}
