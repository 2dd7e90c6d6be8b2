/*
 * stat_line - see stat_line.h. Lines are made on event loops, some thirteen per request: no printf, and no
 * allocation but the buffer's.
 */

#include "gateway/plugins/stat_line.h"

#include <assert.h>
#include <stdio.h>

#include "gateway/base/attributes.h"
#include "gateway/base/json_write.h"

/* ---- texts ---- */

/* `ends`: the bytes that would end what the text stands in. White space and control bytes always do. */
static void add_clean(struct buf *to, struct str text, const char *ends)
{
    char *at = buf_reserve(to, text.len);

    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        at[i] = byte <= ' ' || byte == 0x7f || strchr(ends, byte) != NULL ? '_' : text.at[i];
    }
    to->len += text.len;
    to->at[to->len] = '\0';
}

void stat_add_name(struct buf *to, struct str text)
{
    add_clean(to, text, ":|");
}

void stat_add_level(struct buf *to, struct str text)
{
    add_clean(to, text, ".:|");
}

struct str stat_number(int64_t number, char room[STAT_NUMBER_ROOM])
{
    const char *end = json_write_number(room, number);

    return (struct str){room, (size_t)(end - room)};
}

/* ---- kinds ---- */

static const struct {
    const char *stat_type;
    struct str type;
} types[] = {
    {"counter", {"c", 1}}, {"gauge", {"g", 1}},  {"histogram", {"h", 1}},    {"meter", {"m", 1}},
    {"set", {"s", 1}},     {"timer", {"ms", 2}}, {"distribution", {"d", 1}},
};

void stat_kind_init(struct stat_kind *kind, const char *stat_type, double sample_rate)
{
    *kind = (struct stat_kind){.type = types[0].type, .rate = 1};
    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(types[i].stat_type, stat_type) == 0)
            kind->type = types[i].type;
    if (sample_rate <= 0 || sample_rate >= 1)
        return;
    kind->rate = sample_rate;
    (void)snprintf(kind->rate_text, sizeof(kind->rate_text), "|@%.14g", sample_rate);
}

/* ---- lines ---- */

/* How the tags of a style are written. */
static const struct style {
    const char *open;
    char between_key_and_value;
    const char *close;
    bool behind_value; /* rather than behind the name */
} styles[] = {
    [STAT_TAGS_DOGSTATSD] = {"|#", ':', "", true},
    [STAT_TAGS_INFLUXDB] = {",", '=', "", false},
    [STAT_TAGS_LIBRATO] = {"#", '=', "", false},
    [STAT_TAGS_SIGNALFX] = {"[", '=', "]", false},
};

static void add_tags(struct buf *to, const struct style *style, const struct stat_tags *tags)
{
    const char *before = style->open;
    bool any = false;

    for (size_t i = 0; i < tags->count; i++) {
        const struct stat_tag *tag = &tags->at[i];
        if (tag->value.at == NULL)
            continue;
        buf_add_text(to, before);
        if (tag->key.at != NULL) {
            add_clean(to, tag->key, "|,:=[]#");
            buf_add_byte(to, style->between_key_and_value);
            add_clean(to, tag->value, tag->is_level ? "|,:=[]#." : "|,:=[]#");
        } else {
            add_clean(to, tag->value, "|,");
        }
        before = ",";
        any = true;
    }
    if (any)
        buf_add_text(to, style->close);
}

void stat_line_end(struct buf *to, struct str value, const struct stat_kind *kind,
                   const struct stat_tags *tags)
{
    const struct style *style = &styles[tags->style];

    if (!style->behind_value)
        add_tags(to, style, tags);
    buf_add_byte(to, ':');
    stat_add_name(to, value);
    buf_add_byte(to, '|');
    buf_add_str(to, kind->type);
    buf_add_text(to, kind->rate_text);
    if (style->behind_value)
        add_tags(to, style, tags);
    buf_add_byte(to, '\n');
}
