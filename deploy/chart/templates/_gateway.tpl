{{/* Parts of the gateway's pod alone. */}}

{{- define "freshet.ports" -}}
{{- range $port := list "http" "tls" }}
{{- with index $.Values.proxy $port }}
{{- if .enabled }}
- {name: proxy-{{ $port }}, containerPort: {{ int .containerPort }}, protocol: TCP}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.admin.service.enabled }}
{{- range $port := list "http" "tls" }}
{{- with index $.Values.admin $port }}
{{- if .enabled }}
- {name: admin-{{ $port }}, containerPort: {{ int .containerPort }}, protocol: TCP}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
- {name: status, containerPort: {{ int .Values.status.containerPort }}, protocol: TCP}
{{- end }}

{{- define "freshet.probes" -}}
{{- range $name, $path := dict "startup" "ready" "liveness" "live" "readiness" "ready" }}
{{ $name }}Probe:
  httpGet: {path: /status/{{ $path }}, port: status}
  {{- toYaml (index $.Values.probes $name) | nindent 2 }}
{{- end }}
{{- end }}

{{/* Constraints with our labels, and with one count per rollout, where they say nothing else. */}}
{{- define "freshet.spread" -}}
{{- $selector := dict "matchLabels" (include "freshet.selector" (list . "gateway") | fromYaml) }}
{{- $all := list }}
{{- range .Values.topologySpreadConstraints }}
{{- $filled := dict "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash") }}
{{- range $field, $value := . }}
{{- $_ := set $filled $field $value }}
{{- end }}
{{- $all = append $all $filled }}
{{- end }}
{{- if $all }}{{ toYaml $all }}{{ end }}
{{- end }}

{{/* The data of the chart's own Secret: passwords given as plain values. */}}
{{- define "freshet.secrets" -}}
{{- with .Values.database.password }}
database-password: {{ . | b64enc }}
{{- end }}
{{- if .Values.invalidation.redis.enabled }}
{{- with .Values.invalidation.redis.password }}
redis-password: {{ . | b64enc }}
{{- end }}
{{- end }}
{{- end }}
