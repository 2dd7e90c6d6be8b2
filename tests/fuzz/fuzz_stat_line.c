/* library: gateway_plugins */

/*
 * fuzz_stat_line - a limit, then any texts as names and tags: each makes one line, in which nothing of theirs
 * ends what they stand in; and packets are the lines, each once, in order.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/attributes.h"
#include "gateway/plugins/stat_line.h"
#include "gateway/plugins/stat_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool fact)
{
    if (!fact)
        abort();
}

static size_t count_of(struct str text, char byte)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.at[i] == byte ? 1 : 0;
    return count;
}

static void add_line(struct buf *lines, struct str text, enum stat_tag_style style)
{
    const struct stat_tag tags[] = {{STR("key"), text, true}, {text, STR("value"), false}};
    const struct stat_tags all = {style, tags, COUNT(tags)};
    size_t from = lines->len;
    struct stat_kind kind;
    char room[STAT_NUMBER_ROOM];

    stat_kind_init(&kind, "counter", 0.5);
    stat_add_level(lines, text);
    buf_add_byte(lines, '.');
    stat_add_name(lines, text);
    stat_line_end(lines, stat_number((int64_t)text.len - 3, room), &kind, &all);
    struct str line = str_part(buf_str(lines), from, lines->len);
    demand(line.at[line.len - 1] == '\n' && count_of(line, '\n') == 1);
    demand(count_of(line, '|') == (style == STAT_TAGS_DOGSTATSD ? 3 : 2));
    demand(count_of(line, ':') == (style == STAT_TAGS_DOGSTATSD ? 3 : 1));
    demand(count_of(line, ',') == (style == STAT_TAGS_INFLUXDB ? 2 : 1) + count_of(text, ',') * 2);
    for (size_t i = 0; i + 1 < line.len; i++)
        demand((unsigned char)line.at[i] > ' ');
}

static void check_packets(struct str lines, size_t limit)
{
    size_t at = 0, began = 0;
    struct str packet;

    while (stat_packet_next(lines, limit, &at, &packet)) {
        demand(packet.at == lines.at + began && at == began + packet.len + 1);
        demand(packet.len <= limit || count_of(packet, '\n') == 0);
        began = at;
    }
    demand(began == lines.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t limit = size > 0 ? data[0] : 0;
    struct str rest = {(const char *)data, size};
    struct buf lines = {0};

    for (unsigned turn = 0; rest.len > 0; turn++) {
        size_t end = str_find(rest, '\n', 0);
        add_line(&lines, str_part(rest, 0, end != SIZE_MAX ? end : rest.len),
                 (enum stat_tag_style)(turn % (STAT_TAGS_SIGNALFX + 1)));
        rest = str_part(rest, end != SIZE_MAX ? end + 1 : rest.len, rest.len);
    }
    check_packets(buf_str(&lines), limit);
    buf_fini(&lines);
    return 0;
}
