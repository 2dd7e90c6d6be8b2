# migrations/NNNN_name.sql as C, in order: adding a step is adding a file. The tables of the log belong to bus/ and are
# the beginning of the first step.

set(folder ${CMAKE_CURRENT_SOURCE_DIR}/store/migrations)
set(log_table ${CMAKE_SOURCE_DIR}/bus/log_table.sql)
set(generated ${CMAKE_BINARY_DIR}/generated/store/migrations.c)
file(GLOB steps CONFIGURE_DEPENDS ${folder}/[0-9][0-9][0-9][0-9]_*.sql)
list(SORT steps)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${steps} ${folder}/reset.sql ${log_table})

# One C literal per line of SQL.
function(sql_literal file result)
  file(READ ${file} text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  set(${result} "    \"${text}\"" PARENT_SCOPE)
endfunction()

sql_literal(${log_table} first)
set(rows "")
foreach(step ${steps})
  get_filename_component(name ${step} NAME_WE)
  sql_literal(${step} text)
  string(APPEND rows "    {\"${name}\",\n${first}\n${text}},\n")
  set(first "")
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
