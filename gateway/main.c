/*
 * main - the program. Commands are in gateway/cli, a running node in node.c.
 */

#include "gateway/cli/cli.h"
#include "gateway/node.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv, node_serve);
}
