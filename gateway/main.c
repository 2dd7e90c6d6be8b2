/*
 * main - the program. Commands are in gateway/cli, a running node in node.c.
 */

#include "gateway/cli/cli.h"
#include "gateway/node.h"

int main(int argc, char **argv)
{
    static const struct cli_program program = {
        .serve = node_serve, .schemas = node_schemas, .check = node_check};

    return cli_main(argc, argv, &program);
}
