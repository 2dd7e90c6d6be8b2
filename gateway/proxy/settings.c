/*
 * settings - see settings.h. What can be wrong with a text has been checked when the file was read.
 */

#include "gateway/proxy/settings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/chain/span.h"
#include "gateway/config/header_tokens.h"
#include "gateway/proxy/templates.h"

static const struct {
    const char *media_type;
    enum error_page_type type;
} error_types[] = {
    {"application/json", ERROR_PAGE_JSON},
    {"text/plain", ERROR_PAGE_PLAIN},
    {"text/html", ERROR_PAGE_HTML},
    {"application/xml", ERROR_PAGE_XML},
};

static enum error_page_type error_type_of(const char *media_type)
{
    for (size_t i = 0; i < COUNT(error_types); i++)
        if (strcmp(error_types[i].media_type, media_type) == 0)
            return error_types[i].type;
    return ERROR_PAGE_PLAIN;
}

static struct str owned(const char *text)
{
    return str_of(mem_strdup(text));
}

/* Made by owned(). */
static void free_text(struct str text)
{
    free((void *)(uintptr_t)text.at); /* NOLINT(performance-no-int-to-ptr) */
}

/* They have been checked a moment ago. */
static void read_templates(struct settings *settings, const struct config *config)
{
    struct config_problems problems = {0};

    if (templates_read(config, &settings->templates, &problems))
        return;
    char *text = config_problem_text(&problems.at[0]);
    log_error("settings: errors get our own page; %s", text);
    free(text);
    config_problems_fini(&problems);
}

/* "off" wherever it stands is the last word. */
static unsigned traced_kinds(const struct config_list *words)
{
    unsigned kinds = 0;

    for (size_t i = 0; i < words->count; i++) {
        if (strcasecmp(words->at[i], "off") == 0)
            return 0;
        kinds |= span_kinds_of(words->at[i]);
    }
    return kinds;
}

struct settings *settings_new(const struct config *config)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));

    settings->answer_headers = header_tokens(&config->headers);
    settings->upstream_headers = header_tokens(&config->headers_upstream);
    settings->server_token = owned(config->server_token);
    if (strcasecmp(config->nginx_http_charset, "off") != 0)
        settings->charset = owned(config->nginx_http_charset);
    read_templates(settings, config);
    settings->error_type = error_type_of(config->error_default_type);
    settings->access_format = access_log_format(config->proxy_access_log, config->access_log_format);
    settings->real_ip_header = owned(config->real_ip_header);
    settings->real_ip_is_peer = strcmp(config->real_ip_header, "proxy_protocol") == 0;
    settings->real_ip_recursive = config->real_ip_recursive;
    settings->traced = traced_kinds(&config->tracing_instrumentations);
    settings->sampling_rate = config->tracing_sampling_rate;
    settings->debug_headers = config->allow_debug_header;
    settings->takes_min_position = config->proxy_min_position;
    settings->refuse_when_stale = strcmp(config->cluster_stale_policy, "refuse") == 0;
    settings->trusted = mem_zalloc((config->trusted_ips.count + 1) * sizeof(*settings->trusted));
    for (size_t i = 0; i < config->trusted_ips.count; i++)
        if (network_parse(str_of(config->trusted_ips.at[i]), &settings->trusted[settings->trusted_count]))
            settings->trusted_count++;
    settings->port_maps = mem_zalloc((config->port_maps.count + 1) * sizeof(*settings->port_maps));
    for (size_t i = 0; i < config->port_maps.count; i++)
        if (config_parse_port_map(config->port_maps.at[i], &settings->port_maps[settings->port_map_count]))
            settings->port_map_count++;
    return settings;
}

void settings_free(struct settings *settings)
{
    if (settings == NULL)
        return;
    templates_fini(&settings->templates);
    free_text(settings->server_token);
    free_text(settings->charset);
    free_text(settings->real_ip_header);
    free(settings->trusted);
    free(settings->port_maps);
    free(settings);
}

bool settings_trust(const struct settings *settings, const struct sockaddr_storage *peer)
{
    for (size_t i = 0; i < settings->trusted_count; i++)
        if (network_contains(&settings->trusted[i], peer))
            return true;
    return false;
}

int settings_public_port(const struct settings *settings, int local_port)
{
    for (size_t i = 0; i < settings->port_map_count; i++)
        if (settings->port_maps[i].local_port == local_port)
            return settings->port_maps[i].public_port;
    return local_port;
}
