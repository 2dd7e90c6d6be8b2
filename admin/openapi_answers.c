/*
 * openapi_answers - what the endpoints of routes.c take and say, as far as it is not the same for all. A new
 * row there needs its rows here; tests/integration/test_openapi.py misses them.
 */

#include "admin/openapi_paths.h"

#include <stddef.h>

#include "admin/openapi_schema.h"

#define REF(name)   "{'$ref':'#/components/schemas/" name "'}"
#define NAMED(name) "{'allOf':[" REF(name) "],'required':['name']}"
#define LIST(items) "{'type':'array','items':" items "}"
#define RECORD(properties, required)                                                                         \
    "{'type':'object','properties':{" properties "},'required':[" required "],'additionalProperties':false}"
#define PAGE(row)                                                                                            \
    RECORD("'data':" LIST(row) ",'next':{'type':['string','null']},'offset':" TEXT, "'data','next'")
#define TEXT    "{'type':'string'}"
#define COUNTER "{'type':'integer','minimum':0}"
#define AMOUNT  "{'type':['string','integer']}" /* of memory: a number only where the unit is b */
#define TAGGED                                                                                               \
    RECORD("'entity_name':" TEXT ",'entity_id':{'type':'string','format':'uuid'},'tag':" TEXT,               \
           "'entity_name','entity_id','tag'")
#define WORKSPACE                                                                                            \
    "{'type':'object','properties':{'id':{'type':'string','format':'uuid'},'name':" TEXT                     \
    "},'required':['id','name']}"
#define ZONE RECORD("'allocated_slabs':" AMOUNT ",'capacity':" AMOUNT, "'allocated_slabs','capacity'")

/* clang-format off */
const struct openapi_operation openapi_operations[] = {
    {METHOD_GET,    "/",                         "What this node is, and its settings"},
    {METHOD_GET,    "/robots.txt",               "Nothing for robots"},
    {METHOD_GET,    "/status",                   "Database, connections, memory, bus and cache"},
    {METHOD_GET,    "/metrics",                  "Everything that is counted, for Prometheus"},
    {METHOD_GET,    "/endpoints",                "The paths there are"},
    {METHOD_GET,    "/openapi.json",             "This document"},
    {METHOD_GET,    "/plugins/enabled",          "Names of the plugins that run here"},
    {METHOD_GET,    "/plugins/schema/{name}",    "Settings of a plugin; an older form of /schemas/plugins/{name}"},
    {METHOD_POST,   "/schemas/plugins/validate", "Would this be a plugin?"},
    {METHOD_GET,    "/schemas/plugins/{name}",   "Fields of a plugin"},
    {METHOD_POST,   "/schemas/vaults/validate",  "Would this be a vault?"},
    {METHOD_GET,    "/schemas/vaults/{name}",    "Fields of a kind of vault"},
    {METHOD_GET,    "/schemas/{name}",           "Fields of an entity"},
    {METHOD_POST,   "/schemas/{db_entity_name}/validate", "Would this be such an entity?"},
    {METHOD_GET,    "/tags",                     "Every tag of every entity"},
    {METHOD_POST,   "/tags",                     "Refused: a tag is written with its entity"},
    {METHOD_GET,    "/tags/{tags}",              "Entities that have this tag"},
    {METHOD_GET,    "/cache",                    "What this node remembers"},
    {METHOD_DELETE, "/cache",                    "Make this node forget everything"},
    {METHOD_GET,    "/cache/{key}",              "What this node remembers under a key; {} is an absence"},
    {METHOD_DELETE, "/cache/{key}",              "Make this node forget a key"},
    {METHOD_GET,    "/schemas/filters/{name}",   "Refused: there are no filters"},
    {METHOD_GET,    "/debug/node/log-level",     "The level of this node's log"},
    {METHOD_PUT,    "/debug/node/log-level/{log_level}",    "Another level of this node's log for a while"},
    {METHOD_PUT,    "/debug/cluster/log-level/{log_level}", "Another level of every node's log for a while"},
    {METHOD_GET,    "/upstreams/{upstreams}/health", "Targets, and what this node thinks of their addresses"},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/healthy",             "Every node takes all addresses of a target to be well"},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/unhealthy",           "No node sends anything to a target until a check says otherwise"},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/{address}/healthy",   "The same of one address of a target, ip:port"},
    {METHOD_PUT,    "/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", "The same of one address of a target, ip:port"},
    {METHOD_GET,    "/cluster/position",         "The newest position of the log, and how far all nodes have come"},
    {METHOD_GET,    "/cluster/positions/{position}", "A commit, and on which nodes it is live"},
    {METHOD_GET,    "/cluster/events",           "What was changed, newest first"},
    {METHOD_GET,    "/cluster/nodes",            "Every node, its position, and how it hears of changes"},
    {METHOD_GET,    "/timers",                   "The shape clients know; timers are not counted"},
    {METHOD_GET,    "/workspaces",               "The one workspace"},
    {METHOD_GET,    "/workspaces/{workspaces}",  "A workspace"},
    {METHOD_OTHER,  "/config",                   "Refused: this node has a database"},
    {METHOD_GET,    "/clustering/data-planes",   "Refused: this node is no control plane"},
    {METHOD_GET,    "/clustering/status",        "Refused: this node is no control plane"},
    {METHOD_OTHER,  "/filter-chains", "Refused: there are no filters"},
    {METHOD_OTHER,  "/filter-chains/{filter_chains}", "Refused: there are no filters"},
    {METHOD_OTHER,  "/filter-chains/{filter_chains}/route", "Refused: there are no filters"},
    {METHOD_OTHER,  "/filter-chains/{filter_chains}/service", "Refused: there are no filters"},
    {METHOD_OTHER,  "/routes/{routes}/filter-chains", "Refused: there are no filters"},
    {METHOD_OTHER,  "/routes/{routes}/filter-chains/{filter_chains}", "Refused: there are no filters"},
    {METHOD_OTHER,  "/routes/{routes}/filters/all", "Refused: there are no filters"},
    {METHOD_OTHER,  "/routes/{routes}/filters/disabled", "Refused: there are no filters"},
    {METHOD_OTHER,  "/routes/{routes}/filters/enabled", "Refused: there are no filters"},
    {METHOD_OTHER,  "/services/{services}/filter-chains", "Refused: there are no filters"},
    {METHOD_OTHER,  "/services/{services}/filter-chains/{filter_chains}", "Refused: there are no filters"},
    {.form = NULL},
};

#define NUMBER  "{'type':'number'}"
#define MAYBE(type) "{'type':['" type "','null']}"
#define NODE_NAME RECORD("'id':" MAYBE("string") ",'name':" MAYBE("string"), "'id','name'")
#define NODE_THERE RECORD("'id':" TEXT ",'name':" TEXT ",'position':" MAYBE("integer"), "'id','name','position'")
#define COMMIT_MEMBERS                                                                                       \
    "'position':" COUNTER ",'at':" NUMBER ",'by':" NODE_NAME ",'change_count':" COUNTER                       \
    ",'changes':" LIST(RECORD("'kind':" TEXT ",'entity':" MAYBE("string") ",'id':" MAYBE("string"), "'kind','entity','id'")) \
    ",'nodes':" COUNTER ",'applied_by':" COUNTER
#define COMMIT_NAMES "'position','at','by','change_count','changes','nodes','applied_by'"
#define SIZE   "{'type':'integer','minimum':1,'maximum':1000,'default':100}"
const struct openapi_argument openapi_arguments[] = {
    {"/status",      "unit",   "{'type':'string','pattern':'^[bkmgBKMG]$','default':'m'}", "Of amounts of memory"},
    {"/status",      "scale",  "{'type':'integer','minimum':0,'default':2}", "Digits behind the point"},
    {"/debug/node/log-level/{log_level}",    "timeout", "{'type':'number','minimum':0,'default':60}", "Seconds until the level of the settings is back"},
    {"/debug/cluster/log-level/{log_level}", "timeout", "{'type':'number','minimum':0,'default':60}", "Seconds until the level of the settings is back"},
    {"/upstreams/{upstreams}/health", "size",   "{'type':'integer','default':100}", "Rows of a page"},
    {"/upstreams/{upstreams}/health", "offset", TEXT, "As the page before said"},
    {"/upstreams/{upstreams}/health", "balancer_health", "{'type':'string','enum':['1']}", "Of the upstream as a whole, in the place of the list"},
    {"/tags",        "size",   SIZE, "Rows of a page"},
    {"/tags",        "offset", TEXT, "As the page before said"},
    {"/tags/{tags}", "size",   SIZE, "Rows of a page"},
    {"/tags/{tags}", "offset", TEXT, "As the page before said"},
    {"/cluster/events", "size",   SIZE, "Rows of a page"},
    {"/cluster/events", "offset", TEXT, "As the page before said: a position"},
    {"/cache",       "scope",  "{'type':'string','enum':['node','cluster'],'default':'node'}", "Who forgets everything; with cluster the routing is loaded anew as well"},
    {"/cache",       "prefix", TEXT, "Only keys that begin like this"},
    {"/cache",       "size",   SIZE, "Rows of a page"},
    {"/cache",       "offset", TEXT, "As the page before said"},
    {.form = NULL},
};

const struct openapi_answer openapi_answers[] = {
    {METHOD_GET, "/", 200, RECORD(
        "'tagline':" TEXT ",'version':" TEXT ",'edition':" TEXT ",'freshet':" RECORD("'version':" TEXT, "'version'") ",'hostname':" TEXT ",'node_id':{'type':'string','format':'uuid'},'lua_version':" TEXT ","
        "'timers':" RECORD("'running':" COUNTER ",'pending':" COUNTER, "'running','pending'") ","
        "'pids':" RECORD("'master':" COUNTER ",'workers':" LIST(COUNTER), "'master','workers'") ","
        "'plugins':" RECORD("'available_on_server':{'type':'object','additionalProperties':"
            RECORD("'version':" TEXT ",'priority':{'type':'integer'}", "'version','priority'") "},'enabled_in_cluster':" LIST(TEXT),
            "'available_on_server','enabled_in_cluster'") ","
        "'configuration':{'type':'object'}",
        "'tagline','version','edition','freshet','hostname','node_id','lua_version','timers','pids','plugins','configuration'"), NULL},
    {METHOD_GET, "/robots.txt", 200, TEXT, "text/plain"},
    {METHOD_GET, "/status", 200, RECORD(
        "'database':" RECORD("'reachable':{'type':'boolean'}", "'reachable'") ","
        "'server':{'type':'object','additionalProperties':" COUNTER "},"
        "'memory':" RECORD("'workers_lua_vms':" LIST(RECORD("'pid':" COUNTER ",'http_allocated_gc':" AMOUNT, "'pid','http_allocated_gc'"))
            ",'lua_shared_dicts':{'type':'object','additionalProperties':" ZONE "}", "'workers_lua_vms','lua_shared_dicts'") ","
        "'freshet':{'type':'object'}",
        "'database','server','memory','freshet'"), NULL},
    {METHOD_GET, "/metrics", 200, TEXT, "text/plain"},
    {METHOD_GET, "/metrics", 404, REF("message"), NULL},
    {METHOD_GET, "/endpoints", 200, RECORD("'data':" LIST(TEXT), "'data'"), NULL},
    {METHOD_GET, "/openapi.json", 200, "{'type':'object'}", NULL},
    {METHOD_GET, "/plugins/enabled", 200, RECORD("'enabled_plugins':" LIST(TEXT), "'enabled_plugins'"), NULL},
    {METHOD_GET, "/plugins/schema/{name}", 200, REF("schema"), NULL},
    {METHOD_GET, "/plugins/schema/{name}", 404, REF("message"), NULL},
    {METHOD_POST, "/schemas/plugins/validate", 0, NAMED("plugins.body"), NULL},
    {METHOD_POST, "/schemas/plugins/validate", 200, REF("message"), NULL},
    {METHOD_GET, "/schemas/plugins/{name}", 200, REF("schema"), NULL},
    {METHOD_GET, "/schemas/plugins/{name}", 404, REF("message"), NULL},
    {METHOD_POST, "/schemas/vaults/validate", 0, NAMED("vaults.body"), NULL},
    {METHOD_POST, "/schemas/vaults/validate", 200, REF("message"), NULL},
    {METHOD_GET, "/schemas/vaults/{name}", 200, REF("schema"), NULL},
    {METHOD_GET, "/schemas/vaults/{name}", 404, REF("message"), NULL},
    {METHOD_GET, "/schemas/{name}", 200, REF("schema"), NULL},
    {METHOD_GET, "/schemas/{name}", 404, REF("message"), NULL},
    {METHOD_POST, "/schemas/{db_entity_name}/validate", 0, "{'type':'object'}", NULL},
    {METHOD_POST, "/schemas/{db_entity_name}/validate", 200, REF("message"), NULL},
    {METHOD_POST, "/schemas/{db_entity_name}/validate", 404, REF("message"), NULL},
    {METHOD_GET, "/tags", 200, PAGE(TAGGED), NULL},
    {METHOD_POST, "/tags", 400, REF("error"), NULL},
    {METHOD_GET, "/tags/{tags}", 200, PAGE(TAGGED), NULL},
    {METHOD_GET, "/cache", 200, PAGE(RECORD(
        "'key':" TEXT ",'negative':{'type':'boolean'},'position':" COUNTER ",'age_ms':{'type':'integer'},"
        "'expires_in_ms':{'type':['integer','null']}", "'key','negative','position','age_ms','expires_in_ms'")), NULL},
    {METHOD_DELETE, "/cache", 204, NULL, NULL},
    {METHOD_GET, "/cluster/position", 200, RECORD("'history':" TEXT ",'head':" COUNTER ",'floor':" COUNTER ",'nodes':" COUNTER
        ",'applied_everywhere':" MAYBE("integer") ",'applied_here':" COUNTER ",'position':" TEXT,
        "'history','head','floor','nodes','applied_everywhere','applied_here','position'"), NULL},
    {METHOD_GET, "/cluster/positions/{position}", 200, RECORD(COMMIT_MEMBERS ",'live_on':" LIST(NODE_THERE) ",'waiting_for':" LIST(NODE_THERE),
        COMMIT_NAMES ",'live_on','waiting_for'"), NULL},
    {METHOD_GET, "/cluster/positions/{position}", 404, REF("message"), NULL},
    {METHOD_GET, "/cluster/events", 200, PAGE(RECORD(COMMIT_MEMBERS, COMMIT_NAMES)), NULL},
    {METHOD_GET, "/cluster/nodes", 200, PAGE(RECORD("'id':" TEXT ",'name':" TEXT ",'version':" TEXT
        ",'state':{'enum':['joining','live','draining','gone']},'position':" MAYBE("integer")
        ",'history':{'enum':['this','another','trimmed',null]},'lag':" RECORD("'events':" MAYBE("integer") ",'seconds':" NUMBER, "'events','seconds'")
        ",'mode':" MAYBE("string") ",'channel':" MAYBE("string") ",'seen':" NUMBER ",'silent_seconds':" NUMBER ",'lease_seconds':" NUMBER ",'boot_id':" TEXT,
        "'id','name','version','state','position','history','lag','mode','channel','seen','silent_seconds','lease_seconds','boot_id'")), NULL},
    {METHOD_GET, "/cache/{key}", 200, "{'type':['object','array']}", NULL},
    {METHOD_GET, "/cache/{key}", 404, REF("message"), NULL},
    {METHOD_DELETE, "/cache/{key}", 204, NULL, NULL},
    {METHOD_GET, "/schemas/filters/{name}", 404, REF("message"), NULL},
    {METHOD_GET, "/debug/node/log-level", 200, REF("message"), NULL},
    {METHOD_PUT, "/debug/node/log-level/{log_level}", 200, REF("message"), NULL},
    {METHOD_PUT, "/debug/cluster/log-level/{log_level}", 200, REF("message"), NULL},
    {METHOD_GET, "/upstreams/{upstreams}/health", 200, "{'type':'object','properties':{'data':{'oneOf':["
        LIST(REF("health_of_target")) "," REF("health_of_upstream") "]},"
        "'next':{'type':['string','null']},'offset':" TEXT ",'node_id':{'type':'string','format':'uuid'}},"
        "'required':['next','node_id'],'additionalProperties':false}", NULL},
    {METHOD_GET, "/upstreams/{upstreams}/health", 404, REF("message"), NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/healthy", 204, NULL, NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/healthy", 404, REF("message"), NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/unhealthy", 204, NULL, NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/unhealthy", 404, REF("message"), NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/{address}/healthy", 204, NULL, NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/{address}/healthy", 404, REF("message"), NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", 204, NULL, NULL},
    {METHOD_PUT, "/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy", 404, REF("message"), NULL},
    {METHOD_GET, "/timers", 200, RECORD(
        "'worker':" RECORD("'id':" COUNTER ",'count':" COUNTER, "'id','count'") ","
        "'stats':" RECORD("'sys':{'type':'object','additionalProperties':" COUNTER "},'flamegraph':{'type':'object','additionalProperties':" TEXT "},'timers':{'type':'object'}",
            "'sys','flamegraph','timers'"), "'worker','stats'"), NULL},
    {METHOD_GET, "/workspaces", 200, PAGE(WORKSPACE), NULL},
    {METHOD_GET, "/workspaces/{workspaces}", 200, WORKSPACE, NULL},
    {METHOD_GET, "/workspaces/{workspaces}", 404, REF("message"), NULL},
    {METHOD_OTHER, "/config", 400, REF("message"), NULL},
    {METHOD_GET, "/clustering/data-planes", 400, REF("message"), NULL},
    {METHOD_GET, "/clustering/status", 400, REF("message"), NULL},
    {METHOD_OTHER, "/filter-chains", 400, REF("message"), NULL},
    {METHOD_OTHER, "/filter-chains/{filter_chains}", 400, REF("message"), NULL},
    {METHOD_OTHER, "/filter-chains/{filter_chains}/route", 400, REF("message"), NULL},
    {METHOD_OTHER, "/filter-chains/{filter_chains}/service", 400, REF("message"), NULL},
    {METHOD_OTHER, "/routes/{routes}/filter-chains", 400, REF("message"), NULL},
    {METHOD_OTHER, "/routes/{routes}/filter-chains/{filter_chains}", 400, REF("message"), NULL},
    {METHOD_OTHER, "/routes/{routes}/filters/all", 400, REF("message"), NULL},
    {METHOD_OTHER, "/routes/{routes}/filters/disabled", 400, REF("message"), NULL},
    {METHOD_OTHER, "/routes/{routes}/filters/enabled", 400, REF("message"), NULL},
    {METHOD_OTHER, "/services/{services}/filter-chains", 400, REF("message"), NULL},
    {METHOD_OTHER, "/services/{services}/filter-chains/{filter_chains}", 400, REF("message"), NULL},
    {.form = NULL},
};
/* clang-format on */
