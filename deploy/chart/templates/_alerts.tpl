{{/*
Alerts: those of files/alerts/*.yaml, copies of deploy/dashboards, which speak of metrics of the gateway, and here those
that speak of objects of this release. Their texts have braces of Prometheus and are not templates.
*/}}
{{- define "freshet.alerts.objects" -}}
{{- $name := include "freshet.fullname" . -}}
{{- $namespace := include "freshet.namespace" . -}}
- name: freshet-kubernetes
  rules:
    - alert: FreshetTargetDown
      expr: up{namespace={{ $namespace | quote }}, service="{{ $name }}-metrics"} == 0
      for: 5m
      labels: {severity: critical}
      annotations:
        summary: Prometheus gets no metrics of a gateway
        description: {{ "{{ $labels.pod }} has not answered for five minutes." | quote }}
    - alert: FreshetFewPodsReady
      expr: kube_{{ lower .Values.kind }}_status_{{ ternary "replicas_ready" "number_ready" (eq .Values.kind "Deployment") }}{namespace={{ $namespace | quote }}, {{ lower .Values.kind }}={{ $name | quote }}} < {{ .Values.metrics.prometheusRule.minReadyPods | default (include "freshet.fewestPods" .) }}
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: Fewer gateways are ready than there are to be
        description: {{ "{{ $value }} pods are ready. See their events, and /status/ready of one." | quote }}
    - alert: FreshetMigrationFailed
      expr: kube_job_status_failed{namespace={{ $namespace | quote }}, job_name=~"{{ $name }}-(migrate-.+|finish)"} > 0 unless on (namespace, job_name) kube_job_status_succeeded > 0
      for: 5m
      labels: {severity: warning}
      annotations:
        summary: A migration of the schema has failed
        description: {{ "New pods wait for {{ $labels.job_name }}; old ones serve on. See its log." | quote }}
{{- end }}

{{- define "freshet.alerts" -}}
{{- $options := .Values.metrics.prometheusRule }}
{{- $groups := include "freshet.alerts.objects" . | fromYamlArray }}
{{- range $path, $_ := .Files.Glob "files/alerts/*.yaml" }}
{{- $groups = concat $groups ($.Files.Get $path | fromYaml).groups }}
{{- end }}
{{- $kept := list }}
{{- range $group := $groups }}
{{- $rules := list }}
{{- range $rule := $group.rules }}
{{- $alert := $rule.alert | default "" }}
{{- if not (has $alert $options.disabled) }}
{{- $rules = append $rules (merge (dict) (dig $alert dict $options.overrides) $rule) }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- $kept = append $kept (merge (dict "rules" $rules) $group) }}
{{- end }}
{{- end }}
{{- if $kept }}{{ toYaml $kept }}{{ end }}
{{- end }}
