/*
 * What each plugin says about settings that do not go together, to the letter; and what it takes.
 */

#include "bundle.h"

static const struct setting_case {
    const char *plugin;
    const char *config;
    const char *fields; /* NULL: taken */
    const char *message;
} cases[] = {
    /* clang-format off */
    {"acl", "{}", "{\"@entity\":[\"exactly one of these fields must be non-empty: 'config.allow', 'config.deny'\",\"at least one of these fields must be non-empty: 'config.allow', 'config.deny'\"]}",
     "2 schema violations (exactly one of these fields must be non-empty: 'config.allow', 'config.deny'; at least one of these fields must be non-empty: 'config.allow', 'config.deny')"},
    {"acl", "{\"allow\":[\"a\"],\"deny\":[\"b\"]}", "{\"@entity\":[\"exactly one of these fields must be non-empty: 'config.allow', 'config.deny'\"]}",
     "schema violation (exactly one of these fields must be non-empty: 'config.allow', 'config.deny')"},
    {"acl", "{\"allow\":7}", "{\"config\":{\"allow\":\"expected an array\"}}", "schema violation (config.allow: expected an array)"},
    {"acl", "[1]", "{\"config\":\"expected a record\"}", "schema violation (config: expected a record)"},
    {"acl", "null", "{\"config\":\"required field missing\"}", "schema violation (config: required field missing)"},
    {"acl", "{\"deny\":[\"a b \xc3\xa9.\"]}", NULL, NULL},
    {"acme", "{\"account_email\":\"a@b\",\"api_uri\":\"https://acme-v02.api.letsencrypt.org\"}",
     "{\"@entity\":[\"failed conditional validation given value of field 'config.api_uri'\"],\"config\":{\"tos_accepted\":\"terms of service must be accepted, see https://letsencrypt.org/repository/\"}}",
     "2 schema violations (failed conditional validation given value of field 'config.api_uri'; config.tos_accepted: terms of service must be accepted, see https://letsencrypt.org/repository/)"},
    {"acme", "{\"account_email\":\"nobody\"}", "{\"config\":{\"account_email\":\"invalid value: nobody\"}}", NULL},
    {"acme", "{\"account_email\":\"a@b\",\"domains\":[\"*.a.test\",\"a.*.test\"]}", "{\"config\":{\"domains\":[null,\"invalid wildcard: must be placed at leftmost or rightmost label\"]}}", NULL},
    {"acme", "{\"account_email\":\"{vault://env/mail}\",\"storage\":\"redis\",\"storage_config\":{\"redis\":{\"namespace\":\"\",\"port\":70000}}}",
     "{\"config\":{\"storage_config\":{\"redis\":{\"port\":\"value should be between 0 and 65535\"}}}}", NULL},
    {"acme", "{\"account_email\":\"a@b\",\"account_key\":{}}", "{\"config\":{\"account_key\":{\"key_id\":\"required field missing\"}}}", NULL},
    {"aws-lambda", "{\"aws_key\":\"k\"}", "{\"@entity\":[\"all or none of these fields must be set: 'config.aws_key', 'config.aws_secret'\"]}",
     "schema violation (all or none of these fields must be set: 'config.aws_key', 'config.aws_secret')"},
    {"aws-lambda", "{\"proxy_url\":\"https://a.test\"}", "{\"@entity\":[\"proxy_url scheme must be http\"]}", NULL},
    {"aws-lambda", "{\"aws_key\":\"k\",\"aws_secret\":\"s\",\"proxy_url\":\"http://a.test\",\"unhandled_status\":999}", NULL, NULL},
    {"bot-detection", "{\"allow\":[\"ok\",\"(\"]}", "{\"config\":{\"allow\":[null,\"not a valid regex: (\"]}}", NULL},
    {"correlation-id", "{\"header_name\":\"a b\"}", "{\"config\":{\"header_name\":\"bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'\"}}", NULL},
    {"correlation-id", "{\"generator\":\"x\"}", "{\"config\":{\"generator\":\"expected one of: uuid, uuid#counter, tracker\"}}", NULL},
    {"cors", "{\"origins\":[\"*\",\"(.*)\\\\.a\\\\.test\",\"(\"]}", "{\"config\":{\"origins\":[null,null,\"'(' is not a valid regex\"]}}", NULL},
    {"cors", "{\"methods\":[\"get\"]}", "{\"config\":{\"methods\":[\"expected one of: GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS, TRACE, CONNECT\"]}}", NULL},
    {"datadog", "{\"metrics\":[{\"name\":\"latency\",\"stat_type\":\"counter\"}]}",
     "{\"config\":{\"metrics\":[{\"@entity\":[\"failed conditional validation given value of field 'stat_type'\"],\"sample_rate\":\"required field missing\"}]}}", NULL},
    {"datadog", "{\"metrics\":[{\"name\":\"latency\",\"stat_type\":\"timer\",\"tags\":[\"a:b\",\"a:\"]}]}", "{\"config\":{\"metrics\":[{\"tags\":[null,\"invalid value: a:\"]}]}}", NULL},
    {"datadog", "{\"queue\":{\"max_batch_size\":0,\"initial_retry_delay\":0}}",
     "{\"config\":{\"queue\":{\"max_batch_size\":\"value should be between 1 and 1000000\",\"initial_retry_delay\":\"value should be between 0.001 and 1000000\"}}}", NULL},
    {"file-log", "{\"path\":\"/tmp/a*\"}", "{\"config\":{\"path\":\"not a valid filename\"}}", "schema violation (config.path: not a valid filename)"},
    {"file-log", "{\"path\":\"a\",\"custom_fields_by_lua\":{\"x\":\"return 1\"}}", "{\"config\":{\"custom_fields_by_lua\":\"Lua code is not run by this gateway: only an empty value is taken\"}}", NULL},
    {"file-log", "{\"path\":\"a\",\"custom_fields_by_lua\":{}}", NULL, NULL},
    {"hmac-auth", "{\"clock_skew\":0,\"algorithms\":[\"md5\"]}",
     "{\"config\":{\"clock_skew\":\"value must be greater than 0\",\"algorithms\":[\"expected one of: hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512\"]}}", NULL},
    {"http-log", "{\"http_endpoint\":\"a.test\"}", "{\"config\":{\"http_endpoint\":\"missing scheme in url\"}}", NULL},
    {"http-log", "{\"http_endpoint\":\"http:///x\"}", "{\"config\":{\"http_endpoint\":\"missing host in url\"}}", NULL},
    {"http-log", "{\"http_endpoint\":\"http://u:p@:80/\"}", "{\"config\":{\"http_endpoint\":\"missing host in url\"}}", NULL},
    {"http-log", "{\"http_endpoint\":\"http://a.test\",\"headers\":{\"HOST\":\"x\"}}", "{\"config\":{\"headers\":\"cannot contain 'Host' header\"}}", "schema violation (config.headers: cannot contain 'Host' header)"},
    {"http-log", "{\"http_endpoint\":\"http://a.test\",\"headers\":{\"content-length\":\"x\"}}", "{\"config\":{\"headers\":\"cannot contain 'Content-Length' header\"}}", NULL},
    {"http-log", "{\"http_endpoint\":\"http://a.test\",\"headers\":{\"Content-type\":\"x\"}}", "{\"config\":{\"headers\":\"cannot contain 'Content-Type' header\"}}", NULL},
    {"http-log", "{\"http_endpoint\":\"http://u:p@a.test\",\"headers\":{\"authorization\":\"x\"}}",
     "{\"config\":\"specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed\"}", NULL},
    {"http-log", "{\"http_endpoint\":\"http://a.test/@\",\"headers\":{\"authorization\":\"x\"}}", NULL, NULL},
    {"http-log", "{\"http_endpoint\":\"{vault://env/endpoint}\"}", NULL, NULL},
    {"ip-restriction", "{}", "{\"@entity\":[\"at least one of these fields must be non-empty: 'config.allow', 'config.deny'\"]}", NULL},
    {"ip-restriction", "{\"allow\":[\"10.0.0.0/8\",\"x\"],\"deny\":[\"::1/200\"]}", "{\"config\":{\"allow\":[null,\"invalid ip or cidr range: 'x'\"],\"deny\":[\"invalid ip or cidr range: '::1/200'\"]}}", NULL},
    {"ip-restriction", "{\"allow\":[\"10.0.0.0/+8\",\"010.0.0.1\",\"unix:\",\"[::1]\",\"10.0.0.1/\"]}",
     "{\"config\":{\"allow\":[\"invalid ip or cidr range: '10.0.0.0/+8'\",\"invalid ip or cidr range: '010.0.0.1'\",\"invalid ip or cidr range: 'unix:'\",\"invalid ip or cidr range: '[::1]'\",\"invalid ip or cidr range: '10.0.0.1/'\"]}}", NULL},
    {"ip-restriction", "{\"allow\":[\"10.0.0.1\"],\"deny\":[\"fe80::/10\"],\"status\":404,\"message\":\"m\"}", NULL, NULL},
    {"jwt", "{\"maximum_expiration\":60,\"claims_to_verify\":[\"nbf\"]}",
     "{\"@entity\":[\"failed conditional validation given value of field 'config.maximum_expiration'\"],\"config\":{\"claims_to_verify\":\"expected to contain: exp\"}}",
     "2 schema violations (failed conditional validation given value of field 'config.maximum_expiration'; config.claims_to_verify: expected to contain: exp)"},
    {"jwt", "{\"maximum_expiration\":60,\"claims_to_verify\":[\"nbf\",\"exp\"]}", NULL, NULL},
    {"jwt", "{\"maximum_expiration\":-1}", "{\"config\":{\"maximum_expiration\":\"value should be between 0 and 31536000\"}}", NULL},
    {"ldap-auth", "{\"ldap_host\":\"a\",\"base_dn\":\"b\",\"attribute\":\"c\",\"ldaps\":true,\"start_tls\":true}",
     "{\"@entity\":[\"failed conditional validation given value of field 'config.ldaps'\"],\"config\":{\"start_tls\":\"'ldaps' and 'start_tls' cannot be enabled simultaneously\"}}", NULL},
    {"oauth2", "{}", "{\"config\":\"at least one of these fields must be true: enable_authorization_code, enable_implicit_grant, enable_client_credentials, enable_password_grant\"}", NULL},
    {"oauth2", "{\"enable_implicit_grant\":true,\"mandatory_scope\":true}",
     "{\"config\":{\"@entity\":[\"failed conditional validation given value of field 'mandatory_scope'\"],\"scopes\":\"required field missing\"}}", NULL},
    {"opentelemetry", "{\"endpoint\":\"x\",\"headers\":{\"a b\":\"c\"},\"connect_timeout\":-1}",
     "{\"config\":{\"endpoint\":\"missing scheme in url\",\"headers\":\"bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'\",\"connect_timeout\":\"value should be between 0 and 2147483646\"}}", NULL},
    {"post-function", "{}", "{\"@entity\":[\"at least one of these fields must be non-empty: 'config.certificate', 'config.rewrite', 'config.access', 'config.header_filter', 'config.body_filter', 'config.log'\"]}", NULL},
    {"pre-function", "{}", "{\"@entity\":[\"at least one of these fields must be non-empty: 'config.certificate', 'config.rewrite', 'config.access', 'config.header_filter', 'config.body_filter', 'config.log'\"]}", NULL},
    {"proxy-cache", "{}", "{\"config\":{\"strategy\":\"required field missing\"}}", NULL},
    {"proxy-cache", "{\"strategy\":\"memory\",\"response_code\":[99],\"cache_ttl\":0}", "{\"config\":{\"response_code\":[\"value should be between 100 and 900\"],\"cache_ttl\":\"value must be greater than 0\"}}", NULL},
    {"proxy-cache", "{\"strategy\":\"memory\",\"response_code\":[]}", "{\"config\":{\"response_code\":\"length must be at least 1\"}}", NULL},
    {"proxy-cache", "{\"strategy\":\"memory\",\"memory\":{\"dictionary_name\":\"any\"}}", NULL, NULL},
    {"rate-limiting", "{}", "{\"@entity\":[\"at least one of these fields must be non-empty: 'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year'\"]}",
     "schema violation (at least one of these fields must be non-empty: 'config.second', 'config.minute', 'config.hour', 'config.day', 'config.month', 'config.year')"},
    {"rate-limiting", "{\"second\":20,\"hour\":10}", "{\"config\":\"The limit for hour(10.0) cannot be lower than the limit for second(20.0)\"}",
     "schema violation (config: The limit for hour(10.0) cannot be lower than the limit for second(20.0))"},
    {"rate-limiting", "{\"minute\":0}", "{\"config\":{\"minute\":\"value must be greater than 0\"}}", NULL},
    {"rate-limiting", "{\"minute\":5,\"sync_rate\":1}", "{\"config\":\"sync_rate can only be used with the redis policy\"}", NULL},
    {"rate-limiting", "{\"minute\":5,\"policy\":\"redis\",\"redis_host\":\"a.test\",\"sync_rate\":0.01}", "{\"config\":\"sync_rate must be greater than 0.02, or -1 to disable\"}", NULL},
    {"rate-limiting", "{\"minute\":5,\"policy\":\"redis\",\"redis_host\":\"a.test\",\"sync_rate\":0.02}", NULL, NULL},
    {"rate-limiting", "{\"minute\":5,\"policy\":\"redis\"}", "{\"@entity\":[\"failed conditional validation given value of field 'config.policy'\"],\"config\":{\"redis_host\":\"required field missing\"}}",
     "2 schema violations (failed conditional validation given value of field 'config.policy'; config.redis_host: required field missing)"},
    {"rate-limiting", "{\"minute\":5,\"policy\":\"redis\",\"redis_port\":null,\"redis_timeout\":null}",
     "{\"@entity\":[\"failed conditional validation given value of field 'config.policy'\",\"failed conditional validation given value of field 'config.policy'\",\"failed conditional validation given value of field 'config.policy'\"],"
     "\"config\":{\"redis_host\":\"required field missing\",\"redis_port\":\"required field missing\",\"redis_timeout\":\"required field missing\"}}", NULL},
    {"rate-limiting", "{\"minute\":5,\"limit_by\":\"header\"}", "{\"@entity\":[\"failed conditional validation given value of field 'config.limit_by'\"],\"config\":{\"header_name\":\"required field missing\"}}", NULL},
    {"rate-limiting", "{\"minute\":5,\"limit_by\":\"path\"}", "{\"@entity\":[\"failed conditional validation given value of field 'config.limit_by'\"],\"config\":{\"path\":\"required field missing\"}}", NULL},
    {"rate-limiting", "{\"minute\":5,\"limit_by\":\"path\",\"path\":\"a\"}", "{\"config\":{\"path\":\"should start with: /\"}}", NULL},
    {"rate-limiting", "{\"minute\":5,\"policy\":\"\",\"redis_password\":\"\"}", "{\"config\":{\"policy\":\"expected one of: local, cluster, redis\"}}", NULL},
    {"rate-limiting", "{\"minute\":\"5\",\"redis_host\":\"a:1\"}", "{\"config\":{\"minute\":\"expected a number\",\"redis_host\":\"must not have a port\"}}",
     "2 schema violations (config.minute: expected a number; config.redis_host: must not have a port)"},
    {"request-size-limiting", "{\"size_unit\":\"gigabytes\",\"allowed_payload_size\":1.5}",
     "{\"config\":{\"size_unit\":\"expected one of: megabytes, kilobytes, bytes\",\"allowed_payload_size\":\"expected an integer\"}}", NULL},
    {"request-termination", "{\"message\":\"m\",\"body\":\"b\"}", "{\"config\":\"message cannot be used with content_type or body\"}", NULL},
    {"request-transformer", "{\"http_method\":\"get\"}", "{\"config\":{\"http_method\":\"invalid value: get\"}}", NULL},
    {"request-transformer", "{\"add\":{\"headers\":[\"a\"],\"querystring\":[\"a:b:c\",\"q\"],\"body\":[\"a:\"]}}",
     "{\"config\":{\"add\":{\"headers\":[\"invalid value: a\"],\"querystring\":[null,\"key 'q' has no value\"],\"body\":[\"key 'a' has no value\"]}}}", NULL},
    {"request-transformer", "{\"remove\":{\"headers\":[\"x-a\",\"a b\"]},\"rename\":{\"headers\":[\"a:b\",\"a:b c\",\"a b:c\"]}}",
     "{\"config\":{\"remove\":{\"headers\":[null,\"'a b' is not a valid header\"]},\"rename\":{\"headers\":[null,\"'b c' is not a valid header\",\"'a b' is not a valid header\"]}}}", NULL},
    {"request-transformer", "{\"replace\":{\"headers\":[\"a:b c\"],\"uri\":\"/x/$(uri_captures.id)\"}}", NULL, NULL},
    {"response-ratelimiting", "{}", "{\"config\":{\"limits\":\"required field missing\"}}", NULL},
    {"response-ratelimiting", "{\"limits\":{}}", "{\"config\":{\"limits\":\"length must be at least 1\"}}", NULL},
    {"response-ratelimiting", "{\"limits\":{\"video\":{}}}", "{\"config\":{\"limits\":{\"@entity\":[\"at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'\"]}}}", NULL},
    {"response-ratelimiting", "{\"limits\":{\"video\":{\"second\":20,\"minute\":10}}}", "{\"config\":{\"limits\":\"The limit for minute(10.0) cannot be lower than the limit for second(20.0)\"}}", NULL},
    {"response-ratelimiting", "{\"limits\":{\"video.hd\":{\"minute\":10}},\"policy\":\"redis\"}",
     "{\"@entity\":[\"failed conditional validation given value of field 'config.policy'\"],\"config\":{\"redis_host\":\"required field missing\"}}", NULL},
    {"response-transformer", "{\"add\":{\"json\":[\"a:1\",\"b\"],\"json_types\":[\"number\",\"object\"]},\"rename\":{\"headers\":[\"a:b\",\":b\"]}}",
     "{\"config\":{\"add\":{\"json\":[null,\"invalid value: b\"],\"json_types\":[null,\"expected one of: boolean, number, string\"]},\"rename\":{\"headers\":[null,\"invalid value: :b\"]}}}", NULL},
    {"session", "{\"cookie_lifetime\":60,\"cookie_idletime\":5,\"cookie_samesite\":\"Lax\",\"cookie_httponly\":false,\"cookie_discard\":1,\"cookie_renew\":600,\"cookie_persistent\":true}", NULL, NULL},
    {"session", "{\"cookie_lifetime\":\"x\",\"cookie_samesite\":\"x\"}",
     "{\"config\":{\"rolling_timeout\":\"expected a number\",\"cookie_same_site\":\"expected one of: Strict, Lax, None, Default\"}}", NULL},
    {"session", "{\"logout_methods\":[\"PUT\"]}", "{\"config\":{\"logout_methods\":[\"expected one of: GET, POST, DELETE\"]}}", NULL},
    {"statsd", "{\"allow_status_codes\":[\"200-299\",\"200\",\"2xx-299\",\"200-\"]}", "{\"config\":{\"allow_status_codes\":[null,\"invalid value: 200\",\"invalid value: 2xx-299\",\"invalid value: 200-\"]}}", NULL},
    {"statsd", "{\"metrics\":[{\"name\":\"latency\",\"stat_type\":\"gauge\"},{\"name\":\"x\"}],\"udp_packet_size\":65508}",
     "{\"config\":{\"metrics\":[{\"@entity\":[\"failed conditional validation given value of field 'stat_type'\"],\"sample_rate\":\"required field missing\"},"
     "{\"name\":\"expected one of: kong_latency, latency, request_count, request_per_user, request_size, response_size, status_count, status_count_per_user, unique_users, upstream_latency, status_count_per_workspace, status_count_per_user_per_route, shdict_usage\","
     "\"stat_type\":\"required field missing\"}],\"udp_packet_size\":\"value should be between 0 and 65507\"}}", NULL},
    {"statsd", "{\"host\":\"{vault://env/host}\"}", "{\"config\":{\"host\":\"must not have a port\"}}", NULL},
    {"datadog", "{\"host\":\"{vault://env/host}\"}", NULL, NULL},
    {"datadog", "{\"host\":\"{vault://env/host\"}", "{\"config\":{\"host\":\"must not have a port\"}}", NULL},
    {"syslog", "{\"log_level\":\"warn\",\"facility\":\"x\"}",
     "{\"config\":{\"log_level\":\"expected one of: debug, info, notice, warning, err, crit, alert, emerg\",\"facility\":\"expected one of: auth, authpriv, cron, daemon, ftp, kern, lpr, mail, news, syslog, user, uucp, local0, local1, local2, local3, local4, local5, local6, local7\"}}", NULL},
    {"tcp-log", "{\"host\":\"a.test:1\",\"port\":65536,\"tls_sni\":\"10.0.0.1\"}", "{\"config\":{\"host\":\"must not have a port\",\"port\":\"value should be between 0 and 65535\",\"tls_sni\":\"must not be an IP\"}}", NULL},
    {"udp-log", "{}", "{\"config\":{\"host\":\"required field missing\",\"port\":\"required field missing\"}}", "2 schema violations (config.host: required field missing; config.port: required field missing)"},
    {"zipkin", "{\"static_tags\":[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"a\",\"value\":\"2\"}]}", "{\"config\":{\"static_tags\":\"repeated tags are not allowed: a\"}}", NULL},
    {"zipkin", "{\"static_tags\":[{\"name\":\"lc\",\"value\":\"1\"}],\"traceid_byte_count\":7,\"sample_ratio\":2}",
     "{\"config\":{\"static_tags\":[{\"name\":\"must not be one of: error, http.method, http.path, http.status_code, kong.balancer.state, kong.balancer.try, kong.consumer, kong.credential, kong.node.id, kong.route, kong.service, lc, peer.hostname\"}],"
     "\"traceid_byte_count\":\"expected one of: 8, 16\",\"sample_ratio\":\"value should be between 0 and 1\"}}", NULL},
    /* clang-format on */
};

static void settings_are_judged_in_the_words_of_the_reference(void **state)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        cJSON *body = bundle_body(cases[i].plugin, cases[i].config);
        char *text = cJSON_PrintUnformatted(body);
        const struct body_case one = {text, cases[i].fields, cases[i].message};
        run_case(*state, &plugin_setting_schema, DOCUMENT_CREATE, &one);
        free(text);
        cJSON_Delete(body);
    }
}

static void names_of_older_versions_become_those_of_today(void **state)
{
    cJSON *document =
        accepted(*state, &plugin_setting_schema,
                 "{\"name\":\"session\",\"config\":{\"cookie_lifetime\":60,\"cookie_idletime\":null,"
                 "\"cookie_persistent\":true,\"cookie_renew\":600}}");
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(document, "config");
    cJSON *shown = plugin_schema_describe(schemas_find_plugin(*state, STR("session")));
    char *text = cJSON_PrintUnformatted(shown);

    assert_member(config, "rolling_timeout", "60");
    assert_member(config, "idling_timeout", "900");
    assert_member(config, "remember", "true");
    assert_null(cJSON_GetObjectItemCaseSensitive(config, "cookie_lifetime"));
    assert_null(cJSON_GetObjectItemCaseSensitive(config, "cookie_renew"));
    assert_null(strstr(text, "cookie_lifetime"));
    free(text);
    cJSON_Delete(shown);
    cJSON_Delete(document);
}

static void every_plugin_with_rules_of_its_own_is_among_the_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        const struct plugin_schema *plugin = bundle_at(i);
        bool found = plugin->check_count == 0 && plugin->config->check == NULL;
        for (size_t k = 0; k < COUNT(cases); k++)
            found = found || strcmp(cases[k].plugin, plugin->name) == 0;
        assert_true(found);
    }
}

static void rules_over_the_entity_are_shown(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bundle_least); i++) {
        const struct plugin_schema *plugin = bundle_at(i);
        cJSON *shown = plugin_schema_describe(plugin);
        const cJSON *checks = cJSON_GetObjectItemCaseSensitive(shown, "entity_checks");
        if (strcmp(plugin->name, "jwt") == 0)
            assert_json(
                checks,
                "[{\"conditional\":{\"if_field\":\"config.maximum_expiration\",\"if_match\":{\"gt\":0},"
                "\"then_field\":\"config.claims_to_verify\",\"then_match\":{\"contains\":\"exp\"}}}]");
        if (strcmp(plugin->name, "acl") == 0)
            assert_json(checks, "[{\"only_one_of\":[\"config.allow\",\"config.deny\"]},"
                                "{\"at_least_one_of\":[\"config.allow\",\"config.deny\"]}]");
        cJSON_Delete(shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_judged_in_the_words_of_the_reference),
        cmocka_unit_test(names_of_older_versions_become_those_of_today),
        cmocka_unit_test(every_plugin_with_rules_of_its_own_is_among_the_cases),
        cmocka_unit_test(rules_over_the_entity_are_shown),
    };
    return cmocka_run_group_tests(tests, bundle_setup, bundle_teardown);
}
