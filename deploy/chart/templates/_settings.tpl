{{/*
The settings file. Some settings follow from other values ("own"); `config` has the rest, each checked against
files/settings.yaml, which is made from the program's table. Secrets are not in the file but in the environment.
*/}}

{{/* Settings that other values decide: which one to name when somebody writes them into `config`. */}}
{{- define "freshet.settings.owners" -}}
prefix: the chart
proxy_listen: proxy.http and proxy.tls
admin_listen: admin
status_listen: status.containerPort
ssl_cert: proxy.tls.existingSecret
ssl_cert_key: proxy.tls.existingSecret
admin_ssl_cert: admin.tls.existingSecret
admin_ssl_cert_key: admin.tls.existingSecret
admin_tokens_file: admin.tokens.existingSecret
admin_ssl_client_ca: admin.clientCA.existingSecret
admin_allow: admin.allow
shutdown_delay: drain.delaySeconds
shutdown_timeout: drain.timeoutSeconds
lua_ssl_trusted_certificate: trust
pg_host: database.host
pg_port: database.port
pg_user: database.user
pg_password: database.existingSecret
pg_database: database.name
pg_schema: database.schema
pg_ssl: database.tls.enabled
pg_ssl_verify: database.tls.verify
pg_ro_host: database.replica.host
pg_ro_port: database.replica.port
pg_ro_password: database.existingSecret
fast_invalidation: invalidation.redis.enabled
redis_host: invalidation.redis.host
redis_port: invalidation.redis.port
redis_username: invalidation.redis.username
redis_password: invalidation.redis.existingSecret
redis_secret: invalidation.redis.signingKey
redis_database: invalidation.redis.database
redis_ssl: invalidation.redis.tls.enabled
redis_ssl_verify: invalidation.redis.tls.verify
redis_ssl_server_name: invalidation.redis.tls.serverName
{{- end }}

{{/* Argument: (list addresses listener), a listener being proxy or admin. */}}
{{- define "freshet.listen" -}}
{{- $addresses := first . }}
{{- $all := list }}
{{- range $name, $flag := dict "http" "" "tls" " ssl" }}
{{- $one := index (last $) $name }}
{{- range $address := ternary $addresses list $one.enabled }}
{{- $all = append $all (printf "%s:%d%s %s" $address (int $one.containerPort) $flag $one.parameters | trim) }}
{{- end }}
{{- end }}
{{- join ", " $all | default "off" }}
{{- end }}

{{- define "freshet.onoff" -}}
{{- ternary "on" "off" . -}}
{{- end }}

{{/* What a session with Postgres needs: all that the migration's pods know. */}}
{{- define "freshet.settings.database" -}}
{{- $database := .Values.database -}}
pg_host: {{ required "database.host is required: the PostgreSQL that all nodes share" $database.host | quote }}
pg_port: {{ $database.port | toString | quote }}
pg_database: {{ $database.name | quote }}
pg_user: {{ $database.user | quote }}
{{- with $database.schema }}
pg_schema: {{ . | quote }}
{{- end }}
{{- if $database.tls.enabled }}
pg_ssl: "on"
pg_ssl_verify: {{ include "freshet.onoff" $database.tls.verify | quote }}
{{- end }}
{{- if include "freshet.trust" . }}
lua_ssl_trusted_certificate: /run/freshet/trust/ca.crt
{{- end }}
{{- end }}

{{- define "freshet.settings.redis" -}}
{{- $redis := .Values.invalidation.redis -}}
fast_invalidation: redis
redis_host: {{ required "invalidation.redis.host is required with invalidation.redis.enabled" $redis.host | quote }}
redis_port: {{ $redis.port | toString | quote }}
{{- with $redis.username }}
redis_username: {{ . | quote }}
{{- end }}
{{- with $redis.database }}
redis_database: {{ . | toString | quote }}
{{- end }}
{{- if $redis.tls.enabled }}
redis_ssl: "on"
redis_ssl_verify: {{ include "freshet.onoff" $redis.tls.verify | quote }}
{{- with $redis.tls.serverName }}
redis_ssl_server_name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "freshet.settings.admin" -}}
{{- $admin := .Values.admin -}}
{{- $addresses := ternary .Values.listenAddresses (list "127.0.0.1") $admin.service.enabled -}}
admin_listen: {{ ternary (include "freshet.listen" (list $addresses $admin)) "off" $admin.enabled | quote }}
{{- if include "freshet.certificate" (list . "admin") }}
admin_ssl_cert: /run/freshet/admin-tls/tls.crt
admin_ssl_cert_key: /run/freshet/admin-tls/tls.key
{{- end }}
{{- if $admin.tokens.existingSecret }}
admin_tokens_file: /run/freshet/admin-tokens/tokens
{{- end }}
{{- if $admin.clientCA.existingSecret }}
admin_ssl_client_ca: /run/freshet/admin-clients/ca.crt
{{- end }}
{{- with $admin.allow }}
admin_allow: {{ join ", " . | quote }}
{{- end }}
{{- end }}

{{- define "freshet.settings.own" -}}
{{- $status := list }}
{{- range .Values.listenAddresses }}
{{- $status = append $status (printf "%s:%d" . (int $.Values.status.containerPort)) }}
{{- end -}}
prefix: /var/lib/freshet
proxy_listen: {{ include "freshet.listen" (list .Values.listenAddresses .Values.proxy) | quote }}
{{- if include "freshet.certificate" (list . "proxy") }}
ssl_cert: /run/freshet/proxy-tls/tls.crt
ssl_cert_key: /run/freshet/proxy-tls/tls.key
{{- end }}
{{ include "freshet.settings.admin" . }}
status_listen: {{ join ", " $status | quote }}
shutdown_delay: {{ int .Values.drain.delaySeconds | toString | quote }}
shutdown_timeout: {{ int .Values.drain.timeoutSeconds | toString | quote }}
{{ include "freshet.settings.database" . }}
{{- with .Values.database.replica }}
{{- if .host }}
pg_ro_host: {{ .host | quote }}
pg_ro_port: {{ .port | default $.Values.database.port | toString | quote }}
{{- end }}
{{- end }}
{{- if .Values.invalidation.redis.enabled }}
{{ include "freshet.settings.redis" . }}
{{- end }}
{{- end }}

{{/* A value as the settings file writes it: numbers without an exponent, lists with commas, on and off. */}}
{{- define "freshet.text" -}}
{{- if kindIs "bool" . }}{{ include "freshet.onoff" . }}
{{- else if kindIs "slice" . }}{{ join ", " . }}
{{- else if and (kindIs "float64" .) (eq . (floor .)) }}{{ printf "%.0f" . }}
{{- else }}{{ toString . }}
{{- end }}
{{- end }}

{{/* Fails unless `text` is what the table says of the setting. Arguments: name, text, row. */}}
{{- define "freshet.settings.check" -}}
{{- $place := printf "config.%s" .name }}
{{- if contains "\n" .text }}
{{- fail (printf "%s: has more than one line" $place) }}
{{- end }}
{{- if and (eq .row.kind "SECRET") (not (hasPrefix "/" .text)) }}
{{- fail (printf "%s: secrets do not belong into config; give the name of a mounted file, or FRESHET_%s in env from a Secret" $place (upper .name)) }}
{{- end }}
{{- if and (eq .row.kind "BOOLEAN") (not (has .text (list "on" "off"))) }}
{{- fail (printf "%s: '%s' is neither on nor off" $place .text) }}
{{- end }}
{{- if and (eq .row.kind "CHOICE") (not (has .text .row.choices)) }}
{{- fail (printf "%s: '%s' is none of %s" $place .text (join ", " .row.choices)) }}
{{- end }}
{{- if and (eq .row.kind "BYTES") (not (regexMatch "^[0-9]+[kKmMgG]?$" .text)) }}
{{- fail (printf "%s: '%s' is not a size such as 128m" $place .text) }}
{{- end }}
{{- if has .row.kind (list "INTEGER" "SECONDS" "MILLISECONDS") }}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?$" .text) }}
{{- fail (printf "%s: '%s' is not a number" $place .text) }}
{{- end }}
{{- if and (hasKey .row "smallest") (lt (float64 .text) (float64 .row.smallest)) }}
{{- fail (printf "%s: %s is less than %v" $place .text .row.smallest) }}
{{- end }}
{{- if and (hasKey .row "largest") (gt (float64 .text) (float64 .row.largest)) }}
{{- fail (printf "%s: %s is more than %v" $place .text .row.largest) }}
{{- end }}
{{- end }}
{{- end }}

{{/* All settings as YAML. */}}
{{- define "freshet.settings" -}}
{{- $rows := .Files.Get "files/settings.yaml" | fromYaml }}
{{- $owners := include "freshet.settings.owners" . | fromYaml }}
{{- $all := include "freshet.settings.own" . | fromYaml }}
{{- range $name, $value := .Values.config }}
{{- if not (hasKey $rows $name) }}
{{- fail (printf "config.%s: there is no such setting; deploy/freshet.conf lists all" $name) }}
{{- end }}
{{- if hasKey $owners $name }}
{{- fail (printf "config.%s: is decided by %s" $name (index $owners $name)) }}
{{- end }}
{{- if not (kindIs "invalid" $value) }}
{{- $text := include "freshet.text" $value }}
{{- include "freshet.settings.check" (dict "name" $name "text" $text "row" (index $rows $name)) }}
{{- $_ := set $all $name $text }}
{{- end }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{/* The file itself; a # begins a comment there. */}}
{{- define "freshet.settings.file" -}}
{{- range $name, $text := include "freshet.settings" . | fromYaml }}
{{ $name }} = {{ $text | replace "#" "\\#" }}
{{- end }}
{{- end }}
