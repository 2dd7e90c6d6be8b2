#pragma once

/*
 * stat_line - metrics as StatsD servers read them: "name:value|type", with a rate if it is sampled, and with
 * tags in one of four styles. A line ends in '\n', which packets do not keep (stat_packet.h).
 *
 * Whoever makes a line writes its name into a buffer and then calls stat_line_end(). Texts that come from
 * names of entities, or from who calls, cannot end what they stand in: bytes that would are written as '_'.
 *
 * Threads: any; pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/str.h"

enum stat_tag_style {
    STAT_TAGS_DOGSTATSD, /* name:1|c|#key:value,key:value */
    STAT_TAGS_INFLUXDB,  /* name,key=value,key=value:1|c */
    STAT_TAGS_LIBRATO,   /* name#key=value,key=value:1|c */
    STAT_TAGS_SIGNALFX,  /* name[key=value,key=value]:1|c */
};

struct stat_tag {
    struct str key;   /* at == NULL: `value` is the whole tag, as it was configured (dogstatsd only) */
    struct str value; /* at == NULL: the tag is left out */
    bool is_level;    /* dots in the value are written as '_' */
};

struct stat_tags {
    enum stat_tag_style style;
    const struct stat_tag *at;
    size_t count; /* 0: no tags, whatever the style */
};

/* How a metric is sent; the texts are part of lines. */
struct stat_kind {
    struct str type;    /* "c" */
    double rate;        /* the part of all requests it is sent for; 1: all */
    char rate_text[32]; /* "|@0.5", or "" */
};

/* stat_type and sample_rate as settings have them; a rate of 1 or more, or none (0), is all requests. */
void stat_kind_init(struct stat_kind *kind, const char *stat_type, double sample_rate);

/* Part of a name in which dots part levels. */
void stat_add_name(struct buf *to, struct str text);
/* One level of a name: dots are written as '_'. */
void stat_add_level(struct buf *to, struct str text);

enum {
    STAT_NUMBER_ROOM = 20 /* JSON_NUMBER_MAX */
};
/* In `room`. */
struct str stat_number(int64_t number, char room[STAT_NUMBER_ROOM]);

/* What follows the name; `value` is a number, or a member of a set. */
void stat_line_end(struct buf *to, struct str value, const struct stat_kind *kind,
                   const struct stat_tags *tags);
