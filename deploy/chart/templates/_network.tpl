{{/* Rules of network policies. */}}

{{/* Anybody's name server. */}}
{{- define "freshet.egress.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* To a server on one port: peers that were named, or else the host if it is an address. Argument: (list peers host port). */}}
{{- define "freshet.egress.server" -}}
{{- $host := index . 1 -}}
- ports:
    - {port: {{ index . 2 | int }}, protocol: TCP}
  {{- if first . }}
  to:
    {{- first . | toYaml | nindent 4 }}
  {{- else if regexMatch "^[0-9]+([.][0-9]+){3}$" $host }}
  to:
    - ipBlock: {cidr: {{ $host }}/32}
  {{- end }}
{{- end }}

{{- define "freshet.egress.database" -}}
{{- $database := .Values.database }}
{{- include "freshet.egress.server" (list .Values.networkPolicy.databaseTo $database.host $database.port) }}
{{- with $database.replica.host }}
{{ include "freshet.egress.server" (list $.Values.networkPolicy.databaseTo . ($database.replica.port | default $database.port)) }}
{{- end }}
{{- end }}
