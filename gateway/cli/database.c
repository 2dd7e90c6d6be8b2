/*
 * database - one place that knows which setting is which member of struct pg_options.
 */

#include "gateway/cli/database.h"

#include <string.h>

#include "gateway/config/config.h"

void database_options(const struct config *config, bool replica, struct pg_options *options)
{
    const char *ca = config->lua_ssl_trusted_certificate;
    bool system_ca = ca == NULL || strcmp(ca, "system") == 0;
    *options = (struct pg_options){
        .host = replica ? config->pg_ro_host : config->pg_host,
        .port = (int)(replica ? config->pg_ro_port : config->pg_port),
        .user = replica ? config->pg_ro_user : config->pg_user,
        .password = replica ? config->pg_ro_password : config->pg_password,
        .database = replica ? config->pg_ro_database : config->pg_database,
        .schema = replica ? config->pg_ro_schema : config->pg_schema,
        .ssl = replica ? config->pg_ro_ssl : config->pg_ssl,
        .ssl_verify = replica ? config->pg_ro_ssl_verify : config->pg_ssl_verify,
        .ssl_ca_file = system_ca ? NULL : ca,
        .connect_timeout_ms = (int)(replica ? config->pg_ro_timeout : config->pg_timeout),
        .application_name = replica ? "freshet replica" : "freshet",
        .read_only = replica,
    };
}
