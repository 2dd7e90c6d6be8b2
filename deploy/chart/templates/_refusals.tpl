{{/* Values that contradict each other. Each line of the table: what must not be, and what is said then. */}}
{{- define "freshet.refusals" -}}
{{- $v := .Values }}
{{- $db := $v.database }}
{{- $redis := $v.invalidation.redis }}
{{- $admin := $v.admin }}
{{- $budget := $v.podDisruptionBudget }}
{{- $hook := eq $v.migrations.mode "hook" }}
{{- $guarded := or $admin.tokens.existingSecret $admin.clientCA.existingSecret $admin.allow $admin.allowUnauthenticated }}
{{- $table := list
  (list (not (or $db.existingSecret $db.password $db.passwordless)) "database.existingSecret is required: the Secret with the password (or set database.passwordless)")
  (list (and $db.existingSecret $db.password) "database.existingSecret and database.password exclude each other")
  (list (and $db.passwordless (or $db.existingSecret $db.password)) "database.passwordless excludes existingSecret and password")
  (list (and $redis.existingSecret $redis.password) "invalidation.redis.existingSecret and invalidation.redis.password exclude each other")
  (list (and $redis.signingKey (not $redis.existingSecret)) "invalidation.redis.signingKey names a key of invalidation.redis.existingSecret, which is not set")
  (list (and $v.trust.existingSecret $v.trust.existingConfigMap) "trust.existingSecret and trust.existingConfigMap exclude each other")
  (list (not (or $v.proxy.http.enabled $v.proxy.tls.enabled)) "proxy.http and proxy.tls are both off: nothing would be served")
  (list (and $v.certificates.proxy.enabled $v.proxy.tls.existingSecret) "certificates.proxy.enabled and proxy.tls.existingSecret exclude each other")
  (list (and $v.certificates.admin.enabled $admin.tls.existingSecret) "certificates.admin.enabled and admin.tls.existingSecret exclude each other")
  (list (and $admin.service.enabled (not $admin.enabled)) "admin.service.enabled needs admin.enabled")
  (list (and $admin.service.enabled (not (or $admin.http.enabled $admin.tls.enabled))) "admin.http and admin.tls are both off: admin.service would have no port")
  (list (and $admin.service.enabled (not $guarded)) "admin.service.enabled puts the Admin API on the network: set admin.tokens, admin.clientCA or admin.allow, or say admin.allowUnauthenticated")
  (list (and $admin.service.enabled $admin.clientCA.existingSecret $admin.http.enabled (not $admin.tokens.existingSecret)) "admin.clientCA asks for certificates, which admin.http cannot show: switch admin.http off or set admin.tokens")
  (list (and (or $admin.ingress.enabled $admin.httpRoute.enabled) (not $admin.service.enabled)) "admin.ingress and admin.httpRoute need admin.service.enabled")
  (list (and (or $v.proxy.ingress.enabled $v.proxy.httpRoute.enabled) (not $v.proxy.service.enabled)) "proxy.ingress and proxy.httpRoute need proxy.service.enabled")
  (list (and $v.autoscaling.enabled (eq $v.kind "DaemonSet")) "autoscaling.enabled needs kind: Deployment")
  (list (and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas))) "autoscaling.minReplicas is more than autoscaling.maxReplicas")
  (list (and $hook $db.password) "migrations.mode hook runs before the chart's objects exist: use database.existingSecret")
  (list (and $v.migrations.sidecars (semverCompare "<1.29-0" .Capabilities.KubeVersion.Version)) "migrations.sidecars need Kubernetes 1.29, where a job ends without them")
  (list (and (or $v.proxy.service.trafficDistribution $admin.service.trafficDistribution) (semverCompare "<1.31-0" .Capabilities.KubeVersion.Version)) "service.trafficDistribution needs Kubernetes 1.31")
  (list (and $v.migrations.argocd $hook) "migrations.argocd is for mode job: a Helm hook is mapped by Argo CD itself")
  (list (and (or $v.metrics.serviceMonitor.enabled $v.metrics.prometheusRule.enabled $v.metrics.annotations) (not $v.metrics.enabled)) "metrics.serviceMonitor, metrics.prometheusRule and metrics.annotations need metrics.enabled")
  (list (and $v.metrics.enabled (hasKey $v.config "plugins") (not (regexMatch "bundled|prometheus" (toString $v.config.plugins)))) "metrics.enabled needs prometheus among config.plugins: without it there is no /metrics")
}}
{{- range $table }}
{{- if first . }}
{{- fail (last .) }}
{{- end }}
{{- end }}
{{- if include "freshet.severalPods" . }}
{{- $pods := include "freshet.fewestPods" . | int }}
{{- $least := toString $budget.minAvailable }}
{{- if and $budget.enabled (or (eq $least "100%") (and (regexMatch "^[0-9]+$" $least) (ge (int $least) $pods)) (and (not $least) (has (toString $budget.maxUnavailable) (list "0" "0%" "")))) }}
{{- fail (printf "podDisruptionBudget forbids every eviction of %d pods: nodes could never be drained" $pods) }}
{{- end }}
{{- end }}
{{- range $listener := list "proxy" "admin" }}
{{- $values := index $v $listener }}
{{- range $way := list "ingress" "httpRoute" }}
{{- $port := (index $values $way).port }}
{{- if and (index $values $way).enabled (not (index $values $port).enabled) }}
{{- fail (printf "%s.%s.port is %s, but %s.%s is off" $listener $way $port $listener $port) }}
{{- end }}
{{- end }}
{{- if (index $v.certificates $listener).enabled }}
{{- if not (index $v.certificates $listener).issuerRef.name }}
{{- fail (printf "certificates.%s.issuerRef.name is required" $listener) }}
{{- end }}
{{- if not (index $v.certificates $listener).dnsNames }}
{{- fail (printf "certificates.%s.dnsNames is required" $listener) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The fewest pods there are to be, and whether they are several. */}}
{{- define "freshet.fewestPods" -}}
{{- ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- end }}

{{- define "freshet.severalPods" -}}
{{- if and (eq .Values.kind "Deployment") (gt (include "freshet.fewestPods" . | int) 1) }}yes{{ end }}
{{- end }}
