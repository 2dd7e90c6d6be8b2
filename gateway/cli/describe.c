/*
 * describe - manual pages and completions, written from the tables of commands, options and settings:
 * whatever is added there is in them.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/base/attributes.h"
#include "gateway/base/str.h"
#include "gateway/cli/command.h"
#include "gateway/cli/tables.h"
#include "gateway/config/config.h"

/* Of a text with words separated by blanks: the next one; at == NULL: there is none. */
static struct str next_word(const char **rest)
{
    const char *from = *rest + strspn(*rest, " ");
    size_t length = strcspn(from, " ");

    *rest = from + length;
    return length > 0 ? (struct str){from, length} : STR_NONE;
}

static const struct option *find_option(struct str name)
{
    for (size_t i = 0; i < option_count; i++)
        if (str_equal(name, str_of(options[i].name)))
            return &options[i];
    return NULL;
}

/* ---- manual pages ---- */

/* What roff would take for its own. */
static void put_roff(const char *text)
{
    if (*text == '.' || *text == '\'')
        (void)fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            (void)fputs("\\e", stdout);
        else if (*text == '-')
            (void)fputs("\\-", stdout);
        else
            (void)putchar(*text);
    }
}

/* A list of words in bold with something between. */
static void put_words(const char *words, const char *between)
{
    bool is_first = true;

    for (struct str word = next_word(&words); word.at != NULL; word = next_word(&words)) {
        printf("%s\\fB%.*s\\fR", is_first ? "" : between, STR_ARG(word));
        is_first = false;
    }
}

static void put_option_use(const struct option *option)
{
    (void)fputs(" [\\fB", stdout);
    put_roff(option->short_name != NULL ? option->short_name : option->name);
    (void)fputs("\\fR", stdout);
    if (option->argument != NULL)
        printf(" \\fI%s\\fR", option->argument);
    (void)putchar(']');
}

static bool ends_sentence(const char *text)
{
    return text[0] != '\0' && text[strlen(text) - 1] == '?';
}

static void put_command(const struct command *command)
{
    const char *rest = command->options;

    printf(".TP\n\\fB%s\\fR", command->name);
    if (command->verbs[0] != '\0')
        (void)putchar(' ');
    put_words(command->verbs, "|");
    if (command->arguments[0] != '\0')
        printf(" \\fI%s\\fR", command->arguments);
    for (struct str word = next_word(&rest); word.at != NULL; word = next_word(&rest))
        put_option_use(find_option(word));
    (void)putchar('\n');
    put_roff(command->summary);
    (void)fputs(ends_sentence(command->summary) ? "\n" : ".\n", stdout);
    if (command->details[0] != '\0') {
        put_roff(command->details);
        (void)putchar('\n');
    }
}

static void put_option(const struct option *option)
{
    (void)fputs(".TP\n", stdout);
    if (option->short_name != NULL) {
        (void)fputs("\\fB", stdout);
        put_roff(option->short_name);
        (void)fputs("\\fR, ", stdout);
    }
    (void)fputs("\\fB", stdout);
    put_roff(option->name);
    (void)fputs("\\fR", stdout);
    if (option->argument != NULL)
        printf(" \\fI%s\\fR", option->argument);
    (void)putchar('\n');
    put_roff(option->meaning);
    (void)fputs(".\n", stdout);
}

static void write_man(void)
{
    printf(".TH FRESHET 1 \"\" \"freshet %s\" \"User Commands\"\n"
           ".SH NAME\nfreshet \\- API gateway whose nodes share one PostgreSQL\n"
           ".SH SYNOPSIS\n\\fBfreshet\\fR \\fICOMMAND\\fR [\\fIoption\\fR ...]\n"
           ".SH DESCRIPTION\nA node proxies HTTP from memory and serves an Admin REST API. What is changed "
           "on one node "
           "reaches the others through an event log in the database, at once with fast invalidation.\n"
           ".SH COMMANDS\n",
           FRESHET_VERSION);
    for (size_t i = 0; i < command_count; i++)
        put_command(&commands[i]);
    (void)fputs(".SH OPTIONS\n", stdout);
    for (size_t i = 0; i < option_count; i++)
        put_option(&options[i]);
    (void)fputs(
        ".SH SIGNALS\n"
        ".TP\n\\fBTERM\\fR, \\fBINT\\fR\nends the node at once.\n"
        ".TP\n\\fBQUIT\\fR\nends it when running requests are done.\n"
        ".TP\n\\fBHUP\\fR\napplies changed settings.\n"
        ".TP\n\\fBUSR1\\fR\nopens log files again.\n"
        ".TP\n\\fBUSR2\\fR\nchanges to the program there is now.\n"
        ".SH ENVIRONMENT\nEvery setting can be given as \\fBFRESHET_\\fINAME\\fR or "
        "\\fBKONG_\\fINAME\\fR in upper case.\n"
        ".TP\n\\fBNOTIFY_SOCKET\\fR, \\fBWATCHDOG_USEC\\fR\nset by systemd, which is told when the "
        "node serves, reloads, is upgraded, crashes and ends, and twice per interval that it is alive; "
        "see sd_notify(3).\n"
        ".SH FILES\n.TP\n\\fI/etc/freshet/freshet.conf\\fR\nsettings\n"
        ".SH EXIT STATUS\n0: done. 1: refused, and the reason is on standard error. 3, 5: see "
        "\\fBmigrations status\\fR.\n"
        ".SH SEE ALSO\n\\fBfreshet.conf\\fR(5)\n",
        stdout);
}

static const char *kind_name(enum config_kind kind)
{
    static const char *const names[] = {
        [CONFIG_TEXT] = "text",
        [CONFIG_SECRET] = "secret",
        [CONFIG_BOOLEAN] = "on or off",
        [CONFIG_INTEGER] = "whole number",
        [CONFIG_SECONDS] = "seconds",
        [CONFIG_MILLISECONDS] = "milliseconds",
        [CONFIG_BYTES] = "size",
        [CONFIG_NUMBER] = "number",
        [CONFIG_LIST] = "list",
        [CONFIG_CHOICE] = "one of",
        [CONFIG_LISTEN] = "addresses to listen on",
        [CONFIG_NETWORKS] = "addresses and ranges",
        [CONFIG_PORT_MAPS] = "pairs of ports",
        [CONFIG_HEADERS] = "names of headers",
        [CONFIG_ADDRESSES] = "list of host:port",
    };
    return names[kind];
}

static void put_key(const struct config_key *key)
{
    static const char *const applies[] = {[CONFIG_LIVE] = "Applied by a reload.",
                                          [CONFIG_RESTART] = "Needs a restart.",
                                          [CONFIG_IGNORED] = "Accepted, without effect."};

    printf(".TP\n\\fB%s\\fR (%s", key->name, kind_name(key->kind));
    if (key->choices[0] != '\0' && key->kind == CONFIG_CHOICE)
        (void)putchar(' ');
    if (key->choices[0] != '\0' && key->kind == CONFIG_CHOICE)
        put_words(key->choices, ", ");
    if (key->smallest[0] != '\0')
        printf(", at least %s", key->smallest);
    if (key->largest[0] != '\0')
        printf(", at most %s", key->largest);
    (void)fputs(")\n", stdout);
    put_roff(key->meaning);
    (void)fputs(".\n", stdout);
    if (key->fallback[0] != '\0') {
        (void)fputs("Default: \\fB", stdout);
        put_roff(key->fallback);
        (void)fputs("\\fR.\n", stdout);
    }
    puts(applies[key->applies]);
}

static void write_conf(void)
{
    printf(".TH FRESHET.CONF 5 \"\" \"freshet %s\" \"File Formats\"\n"
           ".SH NAME\nfreshet.conf \\- settings of a node of freshet\n"
           ".SH DESCRIPTION\nLines of the form \\fIname\\fR = \\fIvalue\\fR; what follows a # is a remark. A "
           "variable of the "
           "environment, \\fBFRESHET_\\fINAME\\fR or \\fBKONG_\\fINAME\\fR, counts more than the file. Sizes "
           "take k, m and g; "
           "lists are separated by commas; {vault://env/NAME} stands for a variable of the environment. "
           "\\fBfreshet check\\fR names every mistake.\n.SH SETTINGS\n",
           FRESHET_VERSION);
    for (size_t i = 0; i < config_key_count; i++)
        put_key(&config_keys[i]);
    (void)fputs(".SH SEE ALSO\n\\fBfreshet\\fR(1)\n", stdout);
}

/* ---- completions ---- */

static void put_command_names(const char *between)
{
    for (size_t i = 0; i < command_count; i++)
        printf("%s%s", i > 0 ? between : "", commands[i].name);
}

static void write_bash(void)
{
    (void)fputs("# bash completion of freshet\n_freshet() {\n    local words=''\n    COMPREPLY=()\n"
                "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='",
                stdout);
    put_command_names(" ");
    (void)fputs("'\n    else\n        case ${COMP_WORDS[1]} in\n", stdout);
    for (size_t i = 0; i < command_count; i++)
        printf("        %s) words='%s%s%s' ;;\n", commands[i].name, commands[i].verbs,
               commands[i].verbs[0] != '\0' && commands[i].options[0] != '\0' ? " " : "",
               commands[i].options);
    (void)fputs("        esac\n    fi\n"
                "    while IFS= read -r word; do COMPREPLY+=(\"$word\"); done < <(compgen -W \"$words\" -- "
                "\"${COMP_WORDS[COMP_CWORD]}\")\n}\ncomplete -o default -F _freshet freshet\n",
                stdout);
}

/* Within single quotes, where a colon would end what is described. */
static void put_quoted(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", stdout);
        else if (*text == ':')
            (void)fputs("\\:", stdout);
        else
            (void)putchar(*text);
    }
}

static void write_zsh(void)
{
    (void)fputs("#compdef freshet\n_freshet() {\n    local -a commands words\n    commands=(\n", stdout);
    for (size_t i = 0; i < command_count; i++) {
        printf("        '%s:", commands[i].name);
        put_quoted(commands[i].summary);
        (void)fputs("'\n", stdout);
    }
    (void)fputs(
        "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
        "    case $words[2] in\n",
        stdout);
    for (size_t i = 0; i < command_count; i++)
        printf("    %s) compadd -- %s %s ;;\n", commands[i].name, commands[i].verbs, commands[i].options);
    (void)fputs("    esac\n    _files\n}\n_freshet \"$@\"\n", stdout);
}

/* Within single quotes of fish. */
static void put_fish(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'' || *text == '\\')
            (void)putchar('\\');
        (void)putchar(*text);
    }
}

static void put_fish_option(const struct command *command, const struct option *option)
{
    printf("complete -c freshet -n '__fish_seen_subcommand_from %s' -l %s", command->name, option->name + 2);
    if (option->short_name != NULL)
        printf(" -s %s", option->short_name + 1);
    if (option->kind != OPTION_FLAG)
        (void)fputs(" -r", stdout);
    (void)fputs(" -d '", stdout);
    put_fish(option->meaning);
    (void)fputs("'\n", stdout);
}

static void write_fish(void)
{
    (void)fputs("# fish completion of freshet\n", stdout);
    for (size_t i = 0; i < command_count; i++) {
        const char *rest = commands[i].options;
        printf("complete -c freshet -n __fish_use_subcommand -f -a %s -d '", commands[i].name);
        put_fish(commands[i].summary);
        (void)fputs("'\n", stdout);
        if (commands[i].verbs[0] != '\0')
            printf("complete -c freshet -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", commands[i].name,
                   commands[i].verbs);
        for (struct str word = next_word(&rest); word.at != NULL; word = next_word(&rest))
            put_fish_option(&commands[i], find_option(word));
    }
}

static const struct page {
    const char *name;
    void (*write)(void);
} pages[] = {
    {"man", write_man}, {"conf", write_conf}, {"bash", write_bash}, {"zsh", write_zsh}, {"fish", write_fish}};

int command_describe(const struct command_line *line)
{
    for (size_t i = 0; line->word_count == 1 && i < COUNT(pages); i++) {
        if (strcmp(line->words[0], pages[i].name) != 0)
            continue;
        pages[i].write();
        return fflush(stdout) == 0 ? 0 : 1;
    }
    return command_fail("describe: one of man, conf, bash, zsh, fish");
}
