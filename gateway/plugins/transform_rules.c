/*
 * transform_rules - see transform_rules.h.
 */

#include "gateway/plugins/transform_rules.h"

#include <stdlib.h>

#include "gateway/base/mem.h"

static bool add_rules(struct transform_rules *rules, enum transform_action action, struct err *err)
{
    const struct pair_list *pairs = &rules->pairs[action];
    char words[128];

    for (size_t i = 0; i < pairs->count; i++) {
        struct transform_rule *rule = &rules->at[rules->count++];
        *rule = (struct transform_rule){.action = action, .name = pairs->at[i].name};
        if (action != TRANSFORM_REMOVE && !template_new(pairs->at[i].value, &rule->value, words))
            return err_set(err, ERR_INVALID, "request-transformer: %s", words);
    }
    return true;
}

bool transform_rules_read(const cJSON *config, const char *area, struct transform_rules *rules,
                          struct err *err)
{
    static const char *const actions[TRANSFORM_ACTIONS] = {
        [TRANSFORM_REMOVE] = "remove", [TRANSFORM_RENAME] = "rename", [TRANSFORM_REPLACE] = "replace",
        [TRANSFORM_ADD] = "add",       [TRANSFORM_APPEND] = "append",
    };
    size_t count = 0;

    for (size_t i = 0; i < TRANSFORM_ACTIONS; i++) {
        rules->pairs[i] = pair_list_read(cJSON_GetObjectItemCaseSensitive(config, actions[i]), area);
        count += rules->pairs[i].count;
    }
    rules->at = mem_zalloc((count + 1) * sizeof(*rules->at));
    for (size_t i = 0; i < TRANSFORM_ACTIONS; i++)
        if (!add_rules(rules, (enum transform_action)i, err))
            return false;
    return true;
}

void transform_rules_fini(struct transform_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++)
        template_free(rules->at[i].value);
    free(rules->at);
    for (size_t i = 0; i < TRANSFORM_ACTIONS; i++)
        pair_list_fini(&rules->pairs[i]);
}

bool transform_rules_render(const struct transform_rules *rules, const struct template_source *source,
                            struct str *values)
{
    for (size_t i = 0; i < rules->count; i++) {
        values[i] = STR_NONE;
        if (rules->at[i].value != NULL && !template_render(rules->at[i].value, source, &values[i]))
            return false;
    }
    return true;
}
