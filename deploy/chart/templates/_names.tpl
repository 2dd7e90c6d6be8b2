{{/* Names and labels. A selector can never change, so neither versions nor labels of users are in one. */}}

{{- define "freshet.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 45 | trimSuffix "-" }}
{{- end }}

{{/* 45 leaves room for the longest suffix, -migrate-<8 hex>, in the 63 of a label. */}}
{{- define "freshet.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 45 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "freshet.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace }}
{{- end }}

{{- define "freshet.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "freshet.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "freshet.image" -}}
{{- $image := .Values.image }}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Argument: (list root component). */}}
{{- define "freshet.selector" -}}
app.kubernetes.io/name: {{ include "freshet.name" (first .) }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* Labels of pods: a version of the chart alone rolls none. Argument: (list root component). */}}
{{- define "freshet.podLabels" -}}
{{ include "freshet.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: freshet
{{- end }}

{{/* The metadata of an object. Arguments: root, component, suffix of the name, and own name, namespace, labels, annotations. */}}
{{- define "freshet.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (printf "%s%s" (include "freshet.fullname" $root) (.suffix | default "")) }}
namespace: {{ .namespace | default (include "freshet.namespace" $root) }}
labels:
  {{- include "freshet.podLabels" (list $root .component) | nindent 2 }}
  app.kubernetes.io/managed-by: {{ $root.Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
  {{- with merge (dict) (.labels | default dict) $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) $root.Values.commonAnnotations }}
annotations:
  {{- tpl (toYaml .) $root | nindent 2 }}
{{- end }}
{{- end }}
