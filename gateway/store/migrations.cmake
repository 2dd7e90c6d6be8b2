# migrations/NNNN_name.sql as C, in order: adding a step is adding a file. What belongs to bus/ is there, and a step that
# begins with it says so in its first line: "-- <file> runs before this text, in the same step."

set(folder ${CMAKE_CURRENT_SOURCE_DIR}/store/migrations)
file(GLOB of_bus CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bus/*.sql)
set(generated ${CMAKE_BINARY_DIR}/generated/store/migrations.c)
file(GLOB steps CONFIGURE_DEPENDS ${folder}/[0-9][0-9][0-9][0-9]_*.sql)
list(SORT steps)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${steps} ${folder}/reset.sql ${of_bus})

# One C literal per line of SQL.
function(sql_literal file result)
  file(READ ${file} text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  set(${result} "    \"${text}\"" PARENT_SCOPE)
endfunction()

set(rows "")
foreach(step ${steps})
  get_filename_component(name ${step} NAME_WE)
  sql_literal(${step} text)
  set(before "")
  if(text MATCHES "(bus/[a-z_]+\\.sql) runs before this text")
    sql_literal(${CMAKE_SOURCE_DIR}/${CMAKE_MATCH_1} before)
  endif()
  string(APPEND rows "    {\"${name}\",\n${before}\n${text}},\n")
endforeach()
sql_literal(${folder}/reset.sql reset)

file(CONFIGURE OUTPUT ${generated} @ONLY CONTENT
"/* Made from the .sql files by gateway/store/migrations.cmake. */
#include \"gateway/store/migrations.h\"

const struct migration migrations[] = {
@rows@};
const size_t migration_count = sizeof(migrations) / sizeof(migrations[0]);
const char migrations_reset[] =
@reset@;
")
target_sources(gateway_store PRIVATE ${generated})
