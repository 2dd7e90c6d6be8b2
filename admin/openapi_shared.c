/*
 * openapi_shared - components that no table of ours has: what errors look like, arguments and headers that
 * many operations share.
 */

#include "admin/openapi_paths.h"

#include "admin/openapi_schema.h"

struct piece {
    const char *name;
    const char *json; /* with ' for " */
};

#define RECORD(properties, required)                                                                         \
    "{'type':'object','properties':{" properties "},'required':[" required "],'additionalProperties':false}"
#define ID      "{'type':'string','format':'uuid'}"
#define TEXT    "{'type':'string'}"
#define COUNTER "{'type':'integer','minimum':0}"
#define HEALTH  "{'enum':['HEALTHY','UNHEALTHY','HEALTHCHECKS_OFF','DNS_ERROR']}"
#define WEIGHT                                                                                               \
    RECORD("'total':" COUNTER ",'available':" COUNTER ",'unavailable':" COUNTER,                             \
           "'total','available','unavailable'")
#define ADDRESS                                                                                              \
    RECORD("'ip':" TEXT ",'port':" COUNTER ",'weight':" COUNTER ",'health':" HEALTH                          \
           ",'healthy':{'type':'boolean'}",                                                                  \
           "'ip','port','weight'")
#define HOST                                                                                                 \
    RECORD("'host':" TEXT ",'port':" COUNTER ",'dns':" TEXT ",'nodeWeight':" COUNTER ",'weight':" WEIGHT     \
           ",'addresses':{'type':'array','items':" ADDRESS "}",                                              \
           "'host','port','dns','nodeWeight','weight','addresses'")

static const struct piece schemas[] = {
    {"message", "{'type':'object','properties':{'message':{'type':'string'}},'required':['message'],"
                "'additionalProperties':false}"},
    {"error",
     "{'type':'object','description':'What is wrong, also field by field.','properties':{"
     "'code':{'type':'integer'},'name':{'type':'string'},'message':{'type':'string'},"
     "'fields':{'type':'object'},'options':{'type':'object','additionalProperties':{'type':'string'}}},"
     "'required':['code','name','message'],'additionalProperties':false}"},
    {"schema", "{'type':'object','properties':{'fields':{'type':'array','items':{'type':'object',"
               "'minProperties':1,'maxProperties':1,'additionalProperties':{'type':'object',"
               "'required':['type']}}},'entity_checks':{'type':'array','items':{'type':'object'}}},"
               "'required':['fields','entity_checks'],'additionalProperties':false}"},
    {"health_of_target",
     "{'type':'object','properties':{'id':" ID ",'target':" TEXT ",'weight':" COUNTER ",'health':" HEALTH
     ",'data':" HOST "},'required':['id','target','weight','upstream']}"},
    {"health_of_upstream", RECORD("'id':" ID ",'health':" HEALTH ",'balancer_health':" HEALTH
                                  ",'details':" RECORD("'healthy':{'type':'boolean'},'weight':" WEIGHT
                                                       ",'hosts':{'type':'array','items':" HOST "}",
                                                       "'healthy','weight','hosts'"),
                                  "'id','health','balancer_health','details'")},
};

#define JSON(description, schema)                                                                            \
    "{'description':'" description "','content':{'application/json':{'schema':" schema "}}}"
#define HTML(description)                                                                                    \
    "{'description':'" description "','content':{'text/html':{'schema':{'type':'string'}}}}"
#define MESSAGE "{'$ref':'#/components/schemas/message'}"
#define ERROR   "{'$ref':'#/components/schemas/error'}"
#define EITHER  "{'anyOf':[" MESSAGE "," ERROR "]}"

static const struct piece responses[] = {
    {"BadRequest", JSON("The request, or what it would store, is wrong.", EITHER)},
    {"Unauthorized", JSON("The node asks for a token, and there is none or a wrong one.", MESSAGE)},
    {"Forbidden", JSON("Not from this address, or not with this token.", MESSAGE)},
    {"NotFound", JSON("Nothing is there.", EITHER)},
    {"Conflict", JSON("Another entity has this unique value.", ERROR)},
    {"NotModified", "{'description':'The client has seen this version.'}"},
    {"PreconditionFailed",
     JSON("If-Match or If-None-Match forbids it; ETag is the version that is there.", MESSAGE)},
    {"TooLarge", HTML("The body is too large.")},
    {"UnsupportedType", HTML("The body is of a type that is not understood.")},
    {"Failed", JSON("The database could not do it; the log says why.", MESSAGE)},
    {"NotThere", JSON("This node has not reached Freshet-Min-Position in time.", MESSAGE)},
    {"Committed", "{'description':'It is in force, but not everywhere yet.','headers':{'Freshet-Laggards':"
                  "{'$ref':'#/components/headers/Freshet-Laggards'},'Freshet-Position':{'$ref':'#/components/"
                  "headers/Freshet-Position'}},"
                  "'content':{'application/json':{'schema':{'type':'object'}}}}"},
    {"Busy", JSON("Too much is waiting for the database; nothing has been done.", MESSAGE)},
};

static const struct piece parameters[] = {
    {"size", "{'name':'size','in':'query','schema':{'type':'integer','minimum':1,'maximum':1000,"
             "'default':100},'description':'Entities of a page.'}"},
    {"offset", "{'name':'offset','in':'query','schema':{'type':'string'},"
               "'description':'As the page before said.'}"},
    {"tags", "{'name':'tags','in':'query','schema':{'type':'string'},"
             "'description':'a,b: those that have both; a/b: those that have either.'}"},
    {"wait",
     "{'name':'wait','in':'query','schema':{'type':'string','enum':['none','node','cluster'],'default':'node'"
     "},"
     "'description':'Answer once it is committed, once this node has applied it, or once every node has.'}"},
    {"wait_timeout",
     "{'name':'wait_timeout','in':'query','schema':{'type':'number','minimum':0,'maximum':300,'default':10},"
     "'description':'Seconds after which wait=cluster ends with 202.'}"},
    {"Freshet-Min-Position",
     "{'name':'Freshet-Min-Position','in':'header','schema':{'type':'string'},"
     "'description':'As a Freshet-Position was: this node applies that change first.'}"},
    {"If-Match", "{'name':'If-Match','in':'header','schema':{'type':'string'},"
                 "'description':'Only if one of these versions is there, or *: any.'}"},
    {"If-None-Match", "{'name':'If-None-Match','in':'header','schema':{'type':'string'},"
                      "'description':'Only if none of these versions is there, or *: nothing.'}"},
};

static const struct piece headers[] = {
    {"X-Cache-Key", "{'schema':{'type':'string'},'description':'Under which key nodes remember it.'}"},
    {"ETag", "{'schema':{'type':'string'},'description':'Version of the entity, the same on every node.'}"},
    {"Freshet-Position", "{'schema':{'type':'string'},'description':'Of the change in the log: a node whose "
                         "applied_position is at least that has it.'}"},
    {"Freshet-Laggards",
     "{'schema':{'type':'string'},'description':'Of 202: how many nodes have not applied the change, "
     "and their names.'}"},
};

static const struct piece security[] = {
    {"token", "{'type':'http','scheme':'bearer','description':'If the setting admin_tokens_file is there.'}"},
};

static void add_pieces(cJSON *components, const char *kind, const struct piece *pieces, size_t count)
{
    cJSON *object = cJSON_AddObjectToObject(components, kind);

    for (size_t i = 0; i < count; i++)
        (void)cJSON_AddItemToObject(object, pieces[i].name, openapi_json("%s", pieces[i].json));
}

void openapi_add_shared(cJSON *components)
{
    add_pieces(components, "schemas", schemas, COUNT(schemas));
    add_pieces(components, "responses", responses, COUNT(responses));
    add_pieces(components, "parameters", parameters, COUNT(parameters));
    add_pieces(components, "headers", headers, COUNT(headers));
    add_pieces(components, "securitySchemes", security, COUNT(security));
}
