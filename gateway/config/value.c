/*
 * value - how each kind of setting is written, checked and kept.
 *
 * One parser per kind, in the table `kinds`. Bounds and choices come from the key's row, so a new setting
 * needs no code.
 */

#include "gateway/config/value.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "gateway/base/mem.h"
#include "gateway/base/network.h"
#include "gateway/config/header_tokens.h"

#define BYTES_MAX (INT64_C(1) << 50) /* no memory and no disk is larger, and no shift gets near the sign */

static bool wrong(char reason[CONFIG_REASON_SIZE], const char *format, ...) PRINTF_LIKE(2, 3);

static bool wrong(char reason[CONFIG_REASON_SIZE], const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)vsnprintf(reason, CONFIG_REASON_SIZE, format, values);
    va_end(values);
    return false;
}

static void *member(const struct config *config, const struct config_key *key)
{
    /* The table knows members by offset; the config is writable while it is being loaded. */
    return (char *)(uintptr_t)config + key->offset; /* NOLINT(performance-no-int-to-ptr) */
}

static bool set_text(void *at, const struct config_key *key, const char *text,
                     /* NOLINTNEXTLINE(readability-non-const-parameter): the signature of the table `kinds` */
                     char reason[CONFIG_REASON_SIZE])
{
    (void)key;
    (void)reason;
    *(char **)at = text != NULL ? mem_strdup(text) : NULL;
    return true;
}

static bool set_boolean(void *at, const struct config_key *key, const char *text,
                        char reason[CONFIG_REASON_SIZE])
{
    (void)key;
    if (text == NULL || strcasecmp(text, "off") == 0 || strcasecmp(text, "false") == 0)
        *(bool *)at = false;
    else if (strcasecmp(text, "on") == 0 || strcasecmp(text, "true") == 0)
        *(bool *)at = true;
    else
        return wrong(reason, "'%.60s' is not one of on, off, true, false", text);
    return true;
}

/* A number in the unit of the file, inside the bounds of the row. */
static bool number_of(const struct config_key *key, const char *text, double *number,
                      char reason[CONFIG_REASON_SIZE])
{
    char *end;
    errno = 0;
    *number = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(*number) || fabs(*number) > 1e15)
        return wrong(reason, "'%.60s' is not a number", text);
    if (key->smallest[0] != '\0' && *number < strtod(key->smallest, NULL))
        return wrong(reason, "%s is too small: %s is the least", text, key->smallest);
    if (key->largest[0] != '\0' && *number > strtod(key->largest, NULL))
        return wrong(reason, "%s is too large: %s is the most", text, key->largest);
    return true;
}

static bool set_integer(void *at, const struct config_key *key, const char *text,
                        char reason[CONFIG_REASON_SIZE])
{
    if (text == NULL) {
        *(int64_t *)at = CONFIG_UNSET;
        return true;
    }
    double number;
    if (!number_of(key, text, &number, reason))
        return false;
    if (number != floor(number))
        return wrong(reason, "'%.60s' is not a whole number", text);
    *(int64_t *)at = (int64_t)number;
    return true;
}

static bool set_number(void *at, const struct config_key *key, const char *text,
                       char reason[CONFIG_REASON_SIZE])
{
    double number;
    assert(text != NULL); /* a row of this kind has a default */
    if (!number_of(key, text, &number, reason))
        return false;
    *(double *)at = number;
    return true;
}

static bool set_seconds(void *at, const struct config_key *key, const char *text,
                        char reason[CONFIG_REASON_SIZE])
{
    if (text == NULL) {
        *(int64_t *)at = CONFIG_UNSET;
        return true;
    }
    double number;
    if (!number_of(key, text, &number, reason))
        return false;
    if (number > 1e12)
        return wrong(reason, "%s seconds is too long", text);
    *(int64_t *)at = llround(number * 1000);
    return true;
}

/* "128m" -> bytes; false: not of that form. */
static bool bytes_of(const char *text, int64_t *bytes)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end == text || errno != 0 || number < 0 || number > BYTES_MAX)
        return false;
    int shift = 0;
    switch (*end) {
    case '\0':
        *bytes = number;
        return true;
    case 'k':
    case 'K':
        shift = 10;
        break;
    case 'm':
    case 'M':
        shift = 20;
        break;
    case 'g':
    case 'G':
        shift = 30;
        break;
    default:
        return false;
    }
    if (number > BYTES_MAX >> shift)
        return false;
    *bytes = (int64_t)number << shift;
    return end[1] == '\0';
}

static bool set_bytes(void *at, const struct config_key *key, const char *text,
                      char reason[CONFIG_REASON_SIZE])
{
    if (text == NULL) {
        *(int64_t *)at = CONFIG_UNSET;
        return true;
    }
    int64_t bytes;
    int64_t bound;
    if (!bytes_of(text, &bytes))
        return wrong(reason, "'%.60s' is not a size: a number, then k, m, g or nothing", text);
    if (key->smallest[0] != '\0' && bytes_of(key->smallest, &bound) && bytes < bound)
        return wrong(reason, "%s is too small: %s is the least", text, key->smallest);
    if (key->largest[0] != '\0' && bytes_of(key->largest, &bound) && bytes > bound)
        return wrong(reason, "%s is too large: %s is the most", text, key->largest);
    *(int64_t *)at = bytes;
    return true;
}

static bool set_list(void *at, const struct config_key *key, const char *text,
                     /* NOLINTNEXTLINE(readability-non-const-parameter): the signature of the table `kinds` */
                     char reason[CONFIG_REASON_SIZE])
{
    (void)key;
    (void)reason;
    struct config_list list = {0};
    struct str rest = str_of(text);
    for (size_t from = 0; text != NULL && from <= rest.len;) {
        size_t comma = str_find(rest, ',', from);
        size_t end = comma == SIZE_MAX ? rest.len : comma;
        struct str item = str_trim(str_part(rest, from, end));
        if (item.len > 0) {
            list.at = mem_realloc(list.at, (list.count + 1) * sizeof(*list.at));
            list.at[list.count++] = mem_strndup(item.at, item.len);
        }
        from = end + 1;
    }
    *(struct config_list *)at = list;
    return true;
}

static void free_list(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i]);
    free(list->at);
    *list = (struct config_list){0};
}

/* Instead of items, where that means something: see takes_off(). */
static bool is_off(const struct config_list *list)
{
    return list->count > 0 && strcasecmp(list->at[0], "off") == 0;
}

static bool takes_off(const struct config_key *key)
{
    return key->kind == CONFIG_LISTEN || key->kind == CONFIG_HEADERS;
}

/* Behind what is wrong with the items before, as far as there is room. */
static void also_wrong(char reason[CONFIG_REASON_SIZE], const char *item, const char *why)
{
    size_t used = strlen(reason);
    (void)snprintf(reason + used, CONFIG_REASON_SIZE - used, "%s'%.60s': %s", used > 0 ? "; " : "", item,
                   why);
}

typedef bool (*check_item_fn)(const struct config_key *key, const char *item, char why[160]);

/* Each item is looked at by `check`; all that is wrong is in the reason. */
static bool set_checked(void *at, const struct config_key *key, const char *text, check_item_fn check,
                        char reason[CONFIG_REASON_SIZE])
{
    struct config_list list;
    bool ok = true;
    (void)set_list(&list, key, text, reason); /* cannot fail */
    reason[0] = '\0';
    for (size_t i = 0; i < list.count && !(takes_off(key) && is_off(&list)); i++) {
        char why[160];
        if (check(key, list.at[i], why))
            continue;
        also_wrong(reason, list.at[i], why);
        ok = false;
    }
    if (ok)
        *(struct config_list *)at = list;
    else
        free_list(&list);
    return ok;
}

static bool check_listen(const struct config_key *key, const char *item, char why[160])
{
    struct config_listen listen;
    (void)key;
    return config_parse_listen(item, &listen, why);
}

static bool check_network(const struct config_key *key, const char *item, char why[160])
{
    struct network network;
    (void)key;
    (void)snprintf(why, 160, "neither an IP address nor a CIDR range");
    return network_parse(str_of(item), &network);
}

static bool check_port_map(const struct config_key *key, const char *item, char why[160])
{
    struct config_port_map map;
    (void)key;
    (void)snprintf(why, 160, "must be of form <public port>:<local port>");
    return config_parse_port_map(item, &map);
}

/* A row with a choice takes that one only. */
static bool check_header(const struct config_key *key, const char *item, char why[160])
{
    if (key->choices[0] == '\0')
        (void)snprintf(why, 160, "not a header the gateway adds; see the list at this setting");
    else
        (void)snprintf(why, 160, "not %s", key->choices);
    return header_token_of(item) != 0 && (key->choices[0] == '\0' || strcasecmp(item, key->choices) == 0);
}

static bool check_word(const struct config_key *key, const char *item, char why[160])
{
    struct str choices = str_of(key->choices);
    for (size_t from = 0; from < choices.len;) {
        size_t blank = str_find(choices, ' ', from);
        size_t end = blank == SIZE_MAX ? choices.len : blank;
        if (str_equal_nocase(str_part(choices, from, end), str_of(item)))
            return true;
        from = end + 1;
    }
    (void)snprintf(why, 160, "not one of: %s", key->choices);
    return false;
}

/* Any words, or in any case those of the row's choices. */
static bool set_words(void *at, const struct config_key *key, const char *text,
                      char reason[CONFIG_REASON_SIZE])
{
    return key->choices[0] == '\0' ? set_list(at, key, text, reason)
                                   : set_checked(at, key, text, check_word, reason);
}

static bool set_listen(void *at, const struct config_key *key, const char *text,
                       char reason[CONFIG_REASON_SIZE])
{
    struct config_list *list = at;
    if (!set_checked(at, key, text, check_listen, reason))
        return false;
    if (is_off(list))
        free_list(list);
    return true;
}

static bool set_networks(void *at, const struct config_key *key, const char *text,
                         char reason[CONFIG_REASON_SIZE])
{
    return set_checked(at, key, text, check_network, reason);
}

static bool set_port_maps(void *at, const struct config_key *key, const char *text,
                          char reason[CONFIG_REASON_SIZE])
{
    return set_checked(at, key, text, check_port_map, reason);
}

static bool set_headers(void *at, const struct config_key *key, const char *text,
                        char reason[CONFIG_REASON_SIZE])
{
    return set_checked(at, key, text, check_header, reason);
}

static bool check_address(const struct config_key *key, const char *item, char why[160])
{
    struct str text = str_of(item);
    size_t colon = text.len;
    int64_t port;
    (void)key;
    (void)snprintf(why, 160, "not of form host:port");
    while (colon > 0 && item[colon] != ':')
        colon--;
    return colon > 0 && colon < 250 && str_find(text, ' ', 0) == SIZE_MAX &&
           str_to_int(str_part(text, colon + 1, text.len), &port) && port > 0 && port < 65536;
}

static bool set_addresses(void *at, const struct config_key *key, const char *text,
                          char reason[CONFIG_REASON_SIZE])
{
    struct config_list list = {0};
    struct buf buf = {0};
    if (!set_checked(&list, key, text, check_address, reason))
        return false;
    for (size_t i = 0; i < list.count; i++)
        buf_printf(&buf, "%s%s", i > 0 ? "," : "", list.at[i]);
    *(char **)at = list.count > 0 ? buf_take(&buf) : NULL;
    buf_fini(&buf);
    free_list(&list);
    return true;
}

static bool set_choice(void *at, const struct config_key *key, const char *text,
                       char reason[CONFIG_REASON_SIZE])
{
    if (text == NULL)
        return set_text(at, key, NULL, reason);
    struct str choices = str_of(key->choices);
    for (size_t from = 0; from < choices.len;) {
        size_t blank = str_find(choices, ' ', from);
        size_t end = blank == SIZE_MAX ? choices.len : blank;
        if (str_equal(str_part(choices, from, end), str_of(text)))
            return set_text(at, key, text, reason);
        from = end + 1;
    }
    return wrong(reason, "'%.60s' is not one of: %s", text, key->choices);
}

static char *text_of_text(const void *at)
{
    return mem_strdup(*(char *const *)at);
}

static char *text_of_boolean(const void *at)
{
    return mem_strdup(*(const bool *)at ? "on" : "off");
}

static char *text_of_integer(const void *at)
{
    int64_t value = *(const int64_t *)at;
    return value != CONFIG_UNSET ? mem_printf("%" PRId64, value) : NULL;
}

static char *text_of_number(const void *at)
{
    return mem_printf("%.15g", *(const double *)at);
}

static char *text_of_seconds(const void *at)
{
    int64_t value = *(const int64_t *)at;
    return value != CONFIG_UNSET ? mem_printf("%g", (double)value / 1000) : NULL;
}

static char *text_of_list(const void *at)
{
    const struct config_list *list = at;
    struct buf buf = {0};
    for (size_t i = 0; i < list->count; i++)
        buf_printf(&buf, "%s%s", i > 0 ? ", " : "", list->at[i]);
    if (list->count > 0)
        return buf_take(&buf);
    buf_fini(&buf);
    return NULL;
}

static char *text_of_listen(const void *at)
{
    char *text = text_of_list(at);
    return text != NULL ? text : mem_strdup("off");
}

static void free_text(void *at)
{
    free(*(char **)at);
    *(char **)at = NULL;
}

static void free_number(void *at)
{
    (void)at;
}

static void free_list_at(void *at)
{
    free_list(at);
}

static const struct kind {
    bool (*set)(void *at, const struct config_key *key, const char *text, char reason[CONFIG_REASON_SIZE]);
    char *(*text)(const void *at);
    void (*free)(void *at);
    size_t size;
} kinds[] = {
    /* clang-format off */
    [CONFIG_TEXT]         = {set_text,    text_of_text,    free_text,    sizeof(char *)},
    [CONFIG_SECRET]       = {set_text,    text_of_text,    free_text,    sizeof(char *)},
    [CONFIG_BOOLEAN]      = {set_boolean, text_of_boolean, free_number,  sizeof(bool)},
    [CONFIG_INTEGER]      = {set_integer, text_of_integer, free_number,  sizeof(int64_t)},
    [CONFIG_SECONDS]      = {set_seconds, text_of_seconds, free_number,  sizeof(int64_t)},
    [CONFIG_MILLISECONDS] = {set_integer, text_of_integer, free_number,  sizeof(int64_t)},
    [CONFIG_BYTES]        = {set_bytes,   text_of_integer, free_number,  sizeof(int64_t)},
    [CONFIG_NUMBER]       = {set_number,  text_of_number,  free_number,  sizeof(double)},
    [CONFIG_LIST]         = {set_words,   text_of_list,    free_list_at, sizeof(struct config_list)},
    [CONFIG_CHOICE]       = {set_choice,  text_of_text,    free_text,    sizeof(char *)},
    [CONFIG_LISTEN]       = {set_listen,  text_of_listen,  free_list_at, sizeof(struct config_list)},
    [CONFIG_NETWORKS]     = {set_networks, text_of_list,   free_list_at, sizeof(struct config_list)},
    [CONFIG_PORT_MAPS]    = {set_port_maps, text_of_list,  free_list_at, sizeof(struct config_list)},
    [CONFIG_HEADERS]      = {set_headers, text_of_list,    free_list_at, sizeof(struct config_list)},
    [CONFIG_ADDRESSES]    = {set_addresses, text_of_text,  free_text,    sizeof(char *)},
    /* clang-format on */
};

bool value_set(struct config *config, const struct config_key *key, const char *text,
               char reason[CONFIG_REASON_SIZE])
{
    union {
        char *text;
        bool boolean;
        int64_t number;
        double fraction;
        struct config_list list;
    } parsed = {0};
    const struct kind *kind = &kinds[key->kind];
    if (!kind->set(&parsed, key, text, reason))
        return false;
    kind->free(member(config, key));
    memcpy(member(config, key), &parsed, kind->size);
    return true;
}

char *value_text(const struct config *config, const struct config_key *key)
{
    return kinds[key->kind].text(member(config, key));
}

void value_free(struct config *config, const struct config_key *key)
{
    kinds[key->kind].free(member(config, key));
}
