/*
 * cli - finds the command (tables.h) and reads its options. What a command does is in the file of its
 * subject.
 */

#include "gateway/cli/cli.h"

#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/str.h"
#include "gateway/cli/command.h"
#include "gateway/cli/tables.h"
#include "gateway/config/config.h"

int command_fail(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    (void)fputs("Error: ", stderr);
    (void)vfprintf(stderr, format, values);
    (void)fputc('\n', stderr);
    va_end(values);
    return 1;
}

static void print_problems(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        char *text = config_problem_text(&problems->at[i]);
        (void)fprintf(stderr, "[error] %s\n", text);
        free(text);
    }
    config_problems_fini(problems);
}

struct config *command_config(const struct command_line *line, const char *file)
{
    struct config *config = NULL;
    struct config_problems problems;
    if (config_load(file, line->prefix, &config, &problems))
        return config;
    print_problems(&problems);
    return NULL;
}

struct config *command_whole_config(const struct command_line *line, const char *file)
{
    struct config *config = command_config(line, file);
    struct config_problems problems = {0};
    if (config == NULL || line->program->check == NULL || line->program->check(config, &problems))
        return config;
    print_problems(&problems);
    config_free(config);
    return NULL;
}

void command_pause_ms(int64_t milliseconds)
{
    (void)poll(NULL, 0, (int)milliseconds);
}

static void print_command(FILE *to, const struct command *command)
{
    char words[160];

    (void)snprintf(words, sizeof(words), "%s%s%s%s%s", command->name, command->verbs[0] != '\0' ? " " : "",
                   command->verbs, command->arguments[0] != '\0' ? " " : "", command->arguments);
    for (char *at = words + strlen(command->name) + 1; command->verbs[0] != '\0' && *at != '\0' && *at != '[';
         at++)
        if (*at == ' ' && at[1] != '[')
            *at = '|';
    (void)fprintf(to, "  freshet %-52s %s\n", words, command->summary);
}

static void print_option(FILE *to, const struct option *option)
{
    char words[60];

    (void)snprintf(words, sizeof(words), "%s%s%s%s%s", option->short_name != NULL ? option->short_name : "",
                   option->short_name != NULL ? ", " : "    ", option->name,
                   option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    (void)fprintf(to, "  %-28s %s\n", words, option->meaning);
}

static void print_usage(FILE *to)
{
    (void)fputs("Usage: freshet COMMAND [options]\n\n", to);
    for (size_t i = 0; i < command_count; i++)
        print_command(to, &commands[i]);
    (void)fputs("\nOptions:\n", to);
    for (size_t i = 0; i < option_count; i++)
        print_option(to, &options[i]);
}

static const struct option *find_option(const char *word)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(word, options[i].name) == 0 ||
            (options[i].short_name != NULL && strcmp(word, options[i].short_name) == 0))
            return &options[i];
    return NULL;
}

/* Stores one option; value is the next word or NULL. false: message printed. */
static bool take_option(struct command_line *line, const struct option *option, const char *value)
{
    void *at = (char *)line + option->offset;
    if (option->kind == OPTION_FLAG) {
        *(bool *)at = true;
        return true;
    }
    if (value == NULL) {
        command_fail("%s needs a value", option->name);
        return false;
    }
    if (option->kind == OPTION_TEXT) {
        *(const char **)at = value;
        return true;
    }
    int64_t seconds;
    if (!str_to_int(str_of(value), &seconds) || seconds < 0 || seconds > 86400) {
        command_fail("%s: '%s' is not a number of seconds", option->name, value);
        return false;
    }
    *(int64_t *)at = seconds;
    return true;
}

static bool read_words(int argc, char **argv, struct command_line *line)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--v") == 0 || strcmp(argv[i], "--vv") == 0)
            continue; /* the log has levels; nothing here is worth hiding */
        const struct option *option = find_option(argv[i]);
        if (option != NULL) {
            bool wants_value = option->kind != OPTION_FLAG;
            if (!take_option(line, option, wants_value && i + 1 < argc ? argv[i + 1] : NULL))
                return false;
            i += wants_value ? 1 : 0;
        } else if (argv[i][0] == '-') {
            command_fail("unknown option %s", argv[i]);
            return false;
        } else if (line->word_count == COMMAND_WORDS_MAX) {
            command_fail("too many words: %s", argv[i]);
            return false;
        } else {
            line->words[line->word_count++] = argv[i];
        }
    }
    return true;
}

int cli_main(int argc, char **argv, const struct cli_program *program)
{
    struct command_line line = {
        .db_timeout_s = 60, .lock_timeout_s = 60, .timeout_s = 10, .argv = argv, .program = program};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 1 : 0;
    }
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return read_words(argc, argv, &line) ? commands[i].run(&line) : 1;
    }
    (void)fprintf(stderr, "No such command: %s\n\n", argv[1]);
    print_usage(stderr);
    return 1;
}
