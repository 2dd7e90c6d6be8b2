/*
 * bot_detection - see bot_detection.h.
 *
 * The built-in list is ours: names under which crawlers, previewers and programs' libraries present
 * themselves in public, of the families that ua-parser's uap-core (Apache-2.0) calls spiders. A name counts
 * where a word begins.
 */

#include "gateway/plugins/bot_detection.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/chain/chain.h"
#include "gateway/model/pattern.h"
#include "gateway/plugin_schemas/parts.h"
#include "gateway/plugins/setting_list.h"

static const char known_robots[] =
    /* search engines */
    "\\b(?:Googlebot|Mediapartners-Google|Google(?:-InspectionTool|-Read-Aloud|Other|-Site-Verification)|"
    "AdsBot-Google"
    "|[Bb]ingbot|BingPreview|adidxbot|msnbot|Yahoo! Slurp|YandexBot|Yandex(?:Images|Mobile|Direct|Metrika)"
    "|Baiduspider|DuckDuckBot|Sogou (?:web |inst |Pic )?[Ss]pider|Exabot|Applebot|PetalBot|SeznamBot|Qwantify"
    "|NaverBot|Yeti/|ia_archiver|archive\\.org_bot|Teoma|Ask Jeeves)"
    /* previews in social media and messengers */
    "|\\b(?:facebookexternalhit|Facebot|facebookcatalog|meta-externalagent|Twitterbot|LinkedInBot|Pinterest(?"
    ":bot)?/|Slackbot"
    "|Slack-ImgProxy|TelegramBot|WhatsApp/|Discordbot|SkypeUriPreview|redditbot|vkShare|Embedly|Iframely)"
    /* crawlers for hire */
    "|\\b(?:AhrefsBot|SemrushBot|MJ12bot|DotBot|rogerbot|BLEXBot|DataForSeoBot|CCBot|GPTBot|ChatGPT-User|"
    "ClaudeBot"
    "|PerplexityBot|Bytespider|Amazonbot|proximic|Screaming "
    "Frog|Nutch|heritrix|Scrapy/|YottaaMonitor|Pingdom|UptimeRobot)"
    /* libraries of programs, with their version */
    "|(?:^|\\s)(?:Python-urllib|python-requests|aiohttp|python-httpx|Go-http-client|axios|okhttp|node-fetch|"
    "got|undici"
    "|Java|Apache-HttpClient|libwww-perl|lwp-trivial|PycURL|GuzzleHttp|Faraday|rest-client|http_client|Ruby"
    "|HTTPie|Wget|reqwest|Typhoeus|HTMLParser|Jakarta "
    "Commons-HttpClient|Manticore|WinHttp|Boto3?|aws-sdk-[a-z0-9-]+"
    "|aws-cli|S3Browser|CloudBerry(?:Explorer)?|Cyberduck|s3cmd|S3 Browser)[/ -]?v?[0-9]"
    /* whatever calls itself one */
    "|[a-z0-9_-]+(?:[Bb]ot|[Ss]pider|[Cc]rawler)(?:[/;) ]|$)|\\bcrawler(?:@|\\b)";

/* ---- settings ---- */

static const struct field agent_element = {.name = "elements", .kind = FIELD_STRING, .flags = FIELD_IS_REGEX};

static const struct field config_fields[] = {
    /* clang-format off */
    {.name = "allow", .kind = FIELD_ARRAY, .fallback = "[]", .elements = &agent_element,
     .description = "Patterns of agents that pass whatever else they match."},
    {.name = "deny", .kind = FIELD_ARRAY, .fallback = "[]", .elements = &agent_element,
     .description = "Patterns of agents that do not pass."},
    /* clang-format on */
};

static const struct field config_record = {
    .name = "config",
    .kind = FIELD_RECORD,
    .flags = FIELD_REQUIRED,
    .fields = config_fields,
    .field_count = COUNT(config_fields),
};

struct patterns {
    pcre2_code **at;
    size_t count;
};

struct settings {
    struct patterns allow, deny;
    pcre2_code *known;
};

static void free_patterns(struct patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        pcre2_code_free(patterns->at[i]);
    free(patterns->at);
}

static void dispose(void *object)
{
    struct settings *settings = object;

    free_patterns(&settings->allow);
    free_patterns(&settings->deny);
    pcre2_code_free(settings->known);
    free(settings);
}

static bool read_patterns(const cJSON *config, const char *name, struct patterns *patterns, struct err *err)
{
    struct setting_list texts = setting_list_read(config, name);
    bool ok = true;

    patterns->at = mem_zalloc((texts.count + 1) * sizeof(*patterns->at));
    for (size_t i = 0; ok && i < texts.count; i++) {
        patterns->at[i] = pattern_compile(texts.at[i], 0, err);
        ok = patterns->at[i] != NULL;
        patterns->count += ok ? 1 : 0;
    }
    setting_list_fini(&texts);
    return ok;
}

static bool configure(const cJSON *config, void **object, struct err *err)
{
    struct settings *settings = mem_zalloc(sizeof(*settings));

    settings->known = pattern_compile(known_robots, 0, err);
    if (settings->known == NULL || !read_patterns(config, "allow", &settings->allow, err) ||
        !read_patterns(config, "deny", &settings->deny, err)) {
        dispose(settings);
        return false;
    }
    *object = settings;
    return true;
}

/* ---- the phase ---- */

static bool matches_any(const struct patterns *patterns, struct str agent)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (pattern_match(patterns->at[i], agent) > 0)
            return true;
    return false;
}

static enum plugin_result access_phase(struct chain *chain, const void *object)
{
    const struct headers *headers = &exchange_request(chain->exchange)->headers;
    const struct header *agent = headers_find(headers, STR("User-Agent"));
    const struct settings *settings = object;

    if (agent == NULL)
        return PLUGIN_NEXT;
    if (headers_find_next(headers, agent, STR("User-Agent")) != NULL)
        return chain_answer_error(chain, 400, "Only one User-Agent header allowed");
    if (matches_any(&settings->allow, agent->value))
        return PLUGIN_NEXT;
    if (matches_any(&settings->deny, agent->value) || pattern_match(settings->known, agent->value) > 0)
        return chain_answer_error(chain, 403, "Forbidden");
    return PLUGIN_NEXT;
}

const struct plugin bot_detection_plugin = {
    .schema =
        {
            .name = "bot-detection",
            .version = "3.5.0",
            .priority = 2500,
            .config = &config_record,
            .protocols = part_web_protocols,
            .refuses_consumer = true,
        },
    .configure = configure,
    .dispose = dispose,
    .access = access_phase,
};
