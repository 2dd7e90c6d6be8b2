/*
 * check - what can be said without a running node: are the settings right, which are there, which version is
 * this?
 */

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "gateway/cli/command.h"
#include "gateway/config/config.h"

int command_check(const struct command_line *line)
{
    if (line->describe) {
        char *text = config_describe();
        int result = fputs(text, stdout) >= 0 ? 0 : 1;
        free(text);
        return result;
    }
    struct config *config = command_whole_config(line, line->word_count > 0 ? line->words[0] : line->file);
    if (config == NULL)
        return 1;
    for (size_t i = 0; i < config->warnings.count; i++) {
        char *text = config_problem_text(&config->warnings.at[i]);
        (void)fprintf(stderr, "[warn] %s\n", text);
        free(text);
    }
    printf("configuration at %s is valid\n", config->file != NULL ? config->file : "the environment");
    config_free(config);
    return 0;
}

int command_version(const struct command_line *line)
{
    puts(FRESHET_VERSION);
    if (line->all)
        printf("compatible: Kong 3.5.0\ncJSON: %s\ncompiler: %s\n", cJSON_Version(), __VERSION__);
    return 0;
}
