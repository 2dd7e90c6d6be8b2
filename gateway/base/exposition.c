/*
 * exposition - see exposition.h. Without printf: a node with many routes writes a million lines.
 */

#include "gateway/base/exposition.h"

#include "gateway/base/json_write.h"

/* Without zeroes at its end: 2500 / 1000 is 2.5, 2000 / 1000 is 2. */
static void add_fraction(struct buf *out, int64_t value, int64_t scale)
{
    int64_t rest = value < 0 ? -(value % scale) : value % scale;

    if (value < 0 && value / scale == 0 && rest != 0)
        buf_add_byte(out, '-');
    json_add_number(out, value / scale);
    if (rest == 0)
        return;
    buf_add_byte(out, '.');
    while (rest > 0) {
        scale /= 10;
        buf_add_byte(out, (char)('0' + rest / scale));
        rest %= scale;
    }
}

void exposition_family(struct buf *out, const char *name, const char *type, const char *help)
{
    const char *const parts[] = {"# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"};

    for (size_t i = 0; i < COUNT(parts); i++)
        buf_add_text(out, parts[i]);
}

void exposition_label(struct buf *labels, const char *name, struct str value)
{
    if (labels->len > 0)
        buf_add_byte(labels, ',');
    buf_add_text(labels, name);
    buf_add_str(labels, STR("=\""));
    for (size_t i = 0; i < value.len; i++) {
        char byte = value.at[i];
        if (byte == '\\' || byte == '"' || byte == '\n')
            buf_add_byte(labels, '\\');
        buf_add_byte(labels, byte == '\n' ? 'n' : byte);
    }
    buf_add_byte(labels, '"');
}

static void begin_sample(struct buf *out, const char *name, const char *suffix, struct str labels)
{
    buf_add_text(out, name);
    buf_add_text(out, suffix);
    if (labels.len > 0) {
        buf_add_byte(out, '{');
        buf_add_str(out, labels);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ' ');
}

void exposition_sample(struct buf *out, const char *name, struct str labels, int64_t value)
{
    begin_sample(out, name, "", labels);
    json_add_number(out, value);
    buf_add_byte(out, '\n');
}

void exposition_fraction(struct buf *out, const char *name, struct str labels, int64_t value, int64_t scale)
{
    begin_sample(out, name, "", labels);
    add_fraction(out, value, scale);
    buf_add_byte(out, '\n');
}

size_t exposition_bucket_of(const struct exposition_buckets *buckets, int64_t value)
{
    size_t i = 0;

    while (i < buckets->count && value > buckets->limits[i])
        i++;
    return i;
}

static void add_bucket(struct buf *out, const char *name, struct str labels)
{
    buf_add_text(out, name);
    buf_add_str(out, STR("_bucket{"));
    buf_add_str(out, labels);
    if (labels.len > 0)
        buf_add_byte(out, ',');
    buf_add_str(out, STR("le=\""));
}

void exposition_histogram(struct buf *out, const char *name, struct str labels,
                          const struct exposition_buckets *buckets, const int64_t *counts, int64_t sum)
{
    int64_t so_far = 0;

    for (size_t i = 0; i <= buckets->count; i++) {
        so_far += counts[i];
        add_bucket(out, name, labels);
        if (i < buckets->count)
            add_fraction(out, buckets->limits[i], buckets->scale);
        else
            buf_add_str(out, STR("+Inf"));
        buf_add_str(out, STR("\"} "));
        json_add_number(out, so_far);
        buf_add_byte(out, '\n');
    }
    begin_sample(out, name, "_sum", labels);
    add_fraction(out, sum, buckets->scale);
    buf_add_byte(out, '\n');
    begin_sample(out, name, "_count", labels);
    json_add_number(out, so_far);
    buf_add_byte(out, '\n');
}
