{{/* Parts of pods. All of them run our own image, which needs neither a shell nor rights. */}}

{{- define "freshet.trust" -}}
{{- if or .Values.trust.existingSecret .Values.trust.existingConfigMap }}yes{{ end }}
{{- end }}

{{/* The Secret with a listener's certificate, if there is one. Argument: (list root listener). */}}
{{- define "freshet.certificate" -}}
{{- $root := first . }}
{{- $listener := last . }}
{{- if (index $root.Values.certificates $listener).enabled }}
{{- include "freshet.fullname" $root }}-{{ $listener }}-tls
{{- else }}
{{- (index $root.Values $listener).tls.existingSecret }}
{{- end }}
{{- end }}

{{/* Where secrets are, by variable: (secret, key). Of Postgres alone, and of all. */}}
{{- define "freshet.secrets.database" -}}
{{- $database := .Values.database }}
{{- if $database.existingSecret }}
FRESHET_PG_PASSWORD: {{ list $database.existingSecret $database.passwordKey | toJson }}
{{- else if $database.password }}
FRESHET_PG_PASSWORD: {{ list (include "freshet.fullname" .) "database-password" | toJson }}
{{- end }}
{{- end }}

{{- define "freshet.secrets.all" -}}
{{- include "freshet.secrets.database" . }}
{{- $redis := .Values.invalidation.redis }}
{{- if $redis.enabled }}
{{- if $redis.password }}
FRESHET_REDIS_PASSWORD: {{ list (include "freshet.fullname" .) "redis-password" | toJson }}
{{- else if and $redis.existingSecret $redis.passwordKey }}
FRESHET_REDIS_PASSWORD: {{ list $redis.existingSecret $redis.passwordKey | toJson }}
{{- end }}
{{- if $redis.signingKey }}
FRESHET_REDIS_SECRET: {{ list $redis.existingSecret $redis.signingKey | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* Their variables, or those of their files. Argument: (list root secrets). */}}
{{- define "freshet.secrets.env" -}}
{{- range $variable, $at := last . | fromYaml }}
{{- if (first $).Values.secretsAsFiles }}
- name: {{ $variable }}_FILE
  value: /run/freshet/secrets/{{ $variable }}
{{- else }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ first $at }}
      key: {{ last $at }}
{{- end }}
{{- end }}
{{- end }}

{{/* The volume of the files. Argument: (list root secrets). */}}
{{- define "freshet.secrets.volume" -}}
{{- $secrets := last . | fromYaml }}
{{- if and (first .).Values.secretsAsFiles $secrets }}
- name: secrets
  projected:
    sources:
      {{- range $variable, $at := $secrets }}
      - secret: {name: {{ first $at }}, items: [{key: {{ last $at | quote }}, path: {{ $variable }}}]}
      {{- end }}
{{- end }}
{{- end }}

{{/* Event loops: of the limit, or else of the request, rounded up to whole ones. */}}
{{- define "freshet.env.loops" -}}
{{- $resource := "" }}
{{- range $field := list "requests" "limits" }}
{{- if dig $field "cpu" "" $.Values.resources }}
{{- $resource = printf "%s.cpu" $field }}
{{- end }}
{{- end }}
{{- if and $resource (not (hasKey .Values.config "nginx_worker_processes")) }}
- name: FRESHET_NGINX_WORKER_PROCESSES
  valueFrom:
    resourceFieldRef:
      containerName: freshet
      resource: {{ $resource }}
      divisor: "1"
{{- end }}
{{- end }}

{{/* Variables of users: a map, so that values files add up. */}}
{{- define "freshet.env.users" -}}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  {{- if kindIs "map" $value }}
  {{- tpl (toYaml $value) $ | nindent 2 }}
  {{- else }}
  value: {{ tpl (include "freshet.text" $value) $ | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The same for users' and ours; one name twice is an error at once and not in the cluster. */}}
{{- define "freshet.env" -}}
{{- $ours := printf "%s%s" (include "freshet.env.loops" .) (include "freshet.secrets.env" (list . (include "freshet.secrets.all" .))) }}
{{- range $name, $_ := .Values.env }}
{{- if contains (printf "- name: %s\n" $name) $ours }}
{{- fail (printf "env.%s: the chart sets this variable from other values" $name) }}
{{- end }}
{{- end }}
{{- $ours }}
{{- include "freshet.env.users" . }}
{{- end }}

{{/* Of every container of ours. */}}
{{- define "freshet.container" -}}
image: {{ include "freshet.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{/* Of every pod of ours. */}}
{{- define "freshet.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- $context := .Values.podSecurityContext }}
  {{- if .Values.openshift }}
  {{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
  {{- end }}
  {{- toYaml $context | nindent 2 }}
{{- range $name := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
{{- with index $.Values $name }}
{{ $name }}: {{ . }}
{{- end }}
{{- end }}
{{- range $name := list "nodeSelector" "tolerations" "dnsConfig" "hostAliases" }}
{{- with index $.Values $name }}
{{ $name }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- if not (kindIs "invalid" .Values.hostUsers) }}
hostUsers: {{ .Values.hostUsers }}
{{- end }}
{{- end }}

{{/* A read-only directory with some keys of a Secret or ConfigMap. Argument: (list name kind object keys), keys by file. */}}
{{- define "freshet.mounted" -}}
- name: {{ index . 0 }}
  {{ index . 1 }}:
    {{ ternary "name" "secretName" (eq (index . 1) "configMap") }}: {{ index . 2 }}
    items:
      {{- range $file, $key := index . 3 }}
      - {key: {{ $key | quote }}, path: {{ $file | quote }}}
      {{- end }}
{{- end }}

{{- define "freshet.trust.volume" -}}
{{- $trust := .Values.trust }}
{{- if $trust.existingSecret }}
{{ include "freshet.mounted" (list "trust" "secret" $trust.existingSecret (dict "ca.crt" $trust.key)) }}
{{- else if $trust.existingConfigMap }}
{{ include "freshet.mounted" (list "trust" "configMap" $trust.existingConfigMap (dict "ca.crt" $trust.key)) }}
{{- end }}
{{- end }}

{{/* What the gateway's pods mount beside the settings: name of the volume to the text of its source. */}}
{{- define "freshet.volumes" -}}
{{- include "freshet.mounted" (list "settings" "configMap" (include "freshet.fullname" .) (dict "freshet.conf" "freshet.conf")) }}
{{- include "freshet.trust.volume" . }}
{{- include "freshet.secrets.volume" (list . (include "freshet.secrets.all" .)) }}
{{- range $listener := list "proxy" "admin" }}
{{- with include "freshet.certificate" (list $ $listener) }}
{{ include "freshet.mounted" (list (printf "%s-tls" $listener) "secret" . (dict "tls.crt" "tls.crt" "tls.key" "tls.key")) }}
{{- end }}
{{- end }}
{{- with .Values.admin.tokens }}
{{- if .existingSecret }}
{{ include "freshet.mounted" (list "admin-tokens" "secret" .existingSecret (dict "tokens" .key)) }}
{{- end }}
{{- end }}
{{- with .Values.admin.clientCA }}
{{- if .existingSecret }}
{{ include "freshet.mounted" (list "admin-clients" "secret" .existingSecret (dict "ca.crt" .key)) }}
{{- end }}
{{- end }}
- name: prefix
  emptyDir: {sizeLimit: {{ .Values.scratch.prefixSize }}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.scratch.bodiesSize }}}
{{- with .Values.volumes }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}

{{/* Where they are: every volume of ours under the name of its directory. */}}
{{- define "freshet.mounts" -}}
- {name: settings, mountPath: /etc/freshet, readOnly: true}
{{- range $volume := include "freshet.volumes" . | fromYamlArray }}
{{- if has $volume.name (list "trust" "secrets" "proxy-tls" "admin-tls" "admin-tokens" "admin-clients") }}
- {name: {{ $volume.name }}, mountPath: /run/freshet/{{ $volume.name }}, readOnly: true}
{{- end }}
{{- end }}
- {name: prefix, mountPath: /var/lib/freshet}
- {name: tmp, mountPath: /tmp}
{{- with .Values.volumeMounts }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}
