/*
 * probe_head - see probe_head.h. Texts of the settings are any that fit their fields: what would begin
 * another line is left out.
 */

#include "gateway/proxy/probe_head.h"

#include "gateway/model/entities.h"

static void add_clean(struct buf *head, struct str text, bool with_blanks)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.at[i];
        if (byte > ' ' ? byte != 0x7f : with_blanks && (byte == ' ' || byte == '\t'))
            buf_add_byte(head, text.at[i]);
    }
}

static void add_line(struct buf *head, const char *name, struct str value)
{
    add_clean(head, str_of(name), /* with_blanks= */ false);
    buf_add_text(head, ": ");
    add_clean(head, value, /* with_blanks= */ true);
    buf_add_text(head, "\r\n");
}

/* Of the settings; a host among them replaces ours. */
static const struct route_header *find_host(const struct probe_settings *probe)
{
    for (size_t i = 0; i < probe->header_count; i++)
        if (str_equal_nocase(str_of(probe->headers[i].name), STR("host")) &&
            probe->headers[i].values.count > 0)
            return &probe->headers[i];
    return NULL;
}

void probe_head_write(const struct upstream *upstream, struct str target_host, struct buf *head)
{
    const struct probe_settings *probe = &upstream->probe;

    buf_add_text(head, "GET ");
    add_clean(head, str_of(probe->path), /* with_blanks= */ false);
    buf_add_text(head, " HTTP/1.0\r\n");
    if (find_host(probe) == NULL)
        add_line(head, "Host", upstream->host_header != NULL ? str_of(upstream->host_header) : target_host);
    for (size_t i = 0; i < probe->header_count; i++)
        for (size_t k = 0; k < probe->headers[i].values.count; k++)
            add_line(head, probe->headers[i].name, str_of(probe->headers[i].values.at[k]));
    buf_add_text(head, "Connection: close\r\n\r\n");
}
