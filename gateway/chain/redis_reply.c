/*
 * redis_reply - see redis_reply.h.
 */

#include "gateway/chain/redis_reply.h"

/* Reading goes on at `at`; both ends of it fail for good. */
struct place {
    struct str bytes;
    size_t at;
    enum {
        READING,
        PARTIAL,
        BROKEN
    } state;
};

static bool stop(struct place *place, bool is_broken)
{
    place->state = is_broken ? BROKEN : PARTIAL;
    return false;
}

/* Up to CR LF, which is passed. */
static bool read_line(struct place *place, struct str *line)
{
    size_t end = str_find(place->bytes, '\r', place->at);

    if (end == SIZE_MAX || end + 1 == place->bytes.len)
        return stop(place, /* is_broken= */ place->bytes.len - place->at >= REDIS_REPLY_MAX);
    if (place->bytes.at[end + 1] != '\n')
        return stop(place, /* is_broken= */ true);
    *line = str_part(place->bytes, place->at, end);
    place->at = end + 2;
    return true;
}

static bool read_number(struct place *place, int64_t least, int64_t most, int64_t *number)
{
    struct str line;

    if (!read_line(place, &line))
        return false;
    return (str_to_int(line, number) && *number >= least && *number <= most) || stop(place, true);
}

/* "$3\r\n123\r\n", behind the '$'; -1 bytes: not there. */
static bool read_text(struct place *place, struct str *text)
{
    int64_t length;

    if (!read_number(place, -1, REDIS_REPLY_MAX, &length))
        return false;
    *text = STR_NONE;
    if (length < 0)
        return true;
    size_t end = place->at + (size_t)length;
    if (place->bytes.len < end + 2)
        return stop(place, false);
    if (place->bytes.at[end] != '\r' || place->bytes.at[end + 1] != '\n')
        return stop(place, true);
    *text = str_part(place->bytes, place->at, end);
    place->at = end + 2;
    return true;
}

/* The byte that says what follows, passed. */
static bool read_type(struct place *place, char *type)
{
    if (place->at == place->bytes.len)
        return stop(place, false);
    *type = place->bytes.at[place->at++];
    return true;
}

static int64_t within_bounds(int64_t number)
{
    if (number > REDIS_NUMBER_MOST)
        return REDIS_NUMBER_MOST;
    return number > -REDIS_NUMBER_MOST ? number : -REDIS_NUMBER_MOST;
}

static bool read_element(struct place *place, struct redis_reply *reply)
{
    int64_t number = 0;
    struct str text;
    char type;

    if (!read_type(place, &type))
        return false;
    if (type == ':') {
        if (!read_number(place, INT64_MIN, INT64_MAX, &number))
            return false;
    } else if (type == '$') {
        if (!read_text(place, &text))
            return false;
        if (text.at != NULL && !str_to_int(text, &number))
            reply->kind = REDIS_OTHER;
    } else {
        return stop(place, true); /* lists of lists are no answer to what we ask */
    }
    reply->numbers[reply->count++] = within_bounds(number);
    return true;
}

static bool read_list(struct place *place, struct redis_reply *reply)
{
    int64_t count;

    if (!read_number(place, -1, REDIS_NUMBERS_MAX, &count))
        return false;
    reply->kind = count < 0 ? REDIS_OTHER : REDIS_NUMBERS;
    for (int64_t i = 0; i < count; i++)
        if (!read_element(place, reply))
            return false;
    return true;
}

static bool read_reply(struct place *place, struct redis_reply *reply)
{
    int64_t number;
    char type;

    reply->kind = REDIS_OTHER;
    reply->text = STR_NONE;
    reply->count = 0;
    if (!read_type(place, &type))
        return false;
    switch (type) {
    case '+':
        reply->kind = REDIS_WORD;
        return read_line(place, &reply->text);
    case '-':
        reply->kind = REDIS_ERROR;
        return read_line(place, &reply->text);
    case ':':
        return read_number(place, INT64_MIN, INT64_MAX, &number);
    case '$':
        return read_text(place, &reply->text);
    case '*':
        return read_list(place, reply);
    default:
        return stop(place, true);
    }
}

size_t redis_reply_read(struct str bytes, struct redis_reply *reply)
{
    struct place place = {.bytes = bytes};

    if (read_reply(&place, reply))
        return place.at;
    return place.state == BROKEN || bytes.len > REDIS_REPLY_MAX + REDIS_REPLY_MAX ? SIZE_MAX : 0;
}
