{{/* Pods and containers that bring the schema up to date, or ask for its state. They know the database's settings alone. */}}

{{- define "freshet.migrations.env" -}}
{{- range $name, $text := include "freshet.settings.database" . | fromYaml }}
- name: FRESHET_{{ upper $name }}
  value: {{ $text | quote }}
{{- end }}
{{- include "freshet.secrets.env" (list . (include "freshet.secrets.database" .)) }}
{{- include "freshet.env.users" . }}
{{- end }}

{{/* One command. Argument: (list root name verb arguments). */}}
{{- define "freshet.migrations.container" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  {{- include "freshet.container" $root | nindent 2 }}
  command: [/usr/bin/freshet]
  args: {{ concat (list "migrations" (index . 2)) (index . 3) | toJson }}
  env:
    {{- include "freshet.migrations.env" $root | trim | nindent 4 }}
  {{- with $root.Values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml $root.Values.migrations.resources | nindent 4 }}
  {{- with include "freshet.migrations.volumes" $root | fromYamlArray }}
  volumeMounts:
    {{- range . }}
    - {name: {{ .name }}, mountPath: /run/freshet/{{ .name }}, readOnly: true}
    {{- end }}
  {{- end }}
{{- end }}

{{- define "freshet.migrations.volumes" -}}
{{- include "freshet.trust.volume" . }}
{{- include "freshet.secrets.volume" (list . (include "freshet.secrets.database" .)) }}
{{- end }}

{{- define "freshet.migrations.patience" -}}
{{- $migrations := .Values.migrations -}}
{{- list "--db-timeout" (int $migrations.dbTimeoutSeconds | toString) "--lock-timeout" (int $migrations.lockTimeoutSeconds | toString) | toJson }}
{{- end }}

{{/* For an empty database, then for an old one. Each does nothing when there is nothing to do. */}}
{{- define "freshet.migrations.bootstrap" -}}
{{- include "freshet.migrations.container" (list . "bootstrap" "bootstrap" (include "freshet.migrations.patience" . | fromJsonArray)) }}
{{- end }}

{{- define "freshet.migrations.up" -}}
{{- include "freshet.migrations.container" (list . "up" "up" (include "freshet.migrations.patience" . | fromJsonArray)) }}
{{- end }}

{{- define "freshet.migrations.wait" -}}
{{- include "freshet.migrations.container" (list . "wait-for-schema" "status" (list "--wait" (int .Values.migrations.waitSeconds | toString))) }}
{{- end }}

{{/* What must run before the gateway in its pod. */}}
{{- define "freshet.migrations.before" -}}
{{- if eq .Values.migrations.mode "initContainer" }}
{{ include "freshet.migrations.bootstrap" . }}
{{ include "freshet.migrations.up" . }}
{{- else }}
{{ include "freshet.migrations.wait" . }}
{{- end }}
{{- end }}

{{- define "freshet.migrations.sidecars" -}}
{{- range .Values.migrations.sidecars }}
- {{ tpl (toYaml (merge (dict "restartPolicy" "Always") .)) $ | nindent 2 | trim }}
{{- end }}
{{- end }}

{{/* The pod of a job. Argument: (list root containers before containers). A hook runs before our service account is there. */}}
{{- define "freshet.migrations.template" -}}
{{- $root := index . 0 -}}
metadata:
  labels:
    {{- include "freshet.podLabels" (list $root "migrate") | nindent 4 }}
    {{- with $root.Values.migrations.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $root.Values.migrations.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: OnFailure
  {{- if not (and (eq $root.Values.migrations.mode "hook") $root.Values.serviceAccount.create) }}
  serviceAccountName: {{ include "freshet.serviceAccount" $root }}
  {{- end }}
  {{- include "freshet.pod" $root | nindent 2 }}
  {{- $before := printf "%s\n%s" (include "freshet.migrations.sidecars" $root) (index . 1) | trim }}
  {{- if $before }}
  initContainers:
    {{- $before | nindent 4 }}
  {{- end }}
  containers:
    {{- index . 2 | nindent 4 }}
  {{- with include "freshet.migrations.volumes" $root | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Argument: (list root template). */}}
{{- define "freshet.migrations.spec" -}}
{{- $migrations := (first .).Values.migrations -}}
backoffLimit: {{ int $migrations.backoffLimit }}
{{- if not (kindIs "invalid" $migrations.activeDeadlineSeconds) }}
activeDeadlineSeconds: {{ int $migrations.activeDeadlineSeconds }}
{{- end }}
{{- if not (kindIs "invalid" $migrations.ttlSecondsAfterFinished) }}
ttlSecondsAfterFinished: {{ int $migrations.ttlSecondsAfterFinished }}
{{- end }}
template:
  {{- last . | nindent 2 }}
{{- end }}
