{{/* The name of the objects in the release's namespace. */}}
{{- define "freehold.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The name of the objects outside namespaces: several installs for different namespaces stand side by side. */}}
{{- define "freehold.clusterName" -}}
{{- if .Values.watchNamespaces }}
{{- printf "%s-%s" (include "freehold.fullname" .) .Release.Namespace }}
{{- else }}
{{- include "freehold.fullname" . }}
{{- end }}
{{- end }}

{{- define "freehold.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "freehold.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* The name of what a shard has for itself; the one without a name takes what no shard takes. */}}
{{- define "freehold.shardName" -}}
{{- include "freehold.fullname" . }}{{ with .Shard }}-{{ . }}{{ end }}
{{- end }}

{{/* Which objects a shard takes, by the label that Flux shards by. */}}
{{- define "freehold.labelSelector" -}}
{{- if .Shard -}}
sharding.fluxcd.io/key={{ .Shard }}
{{- else -}}
sharding.fluxcd.io/key notin ({{ join ", " .Values.shards }})
{{- end }}
{{- end }}

{{/* A shard's component is another, so that no two Deployments select the same pods. */}}
{{- define "freehold.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- if .Shard }}
app.kubernetes.io/component: shard
freehold.dev/shard: {{ .Shard }}
{{- else }}
app.kubernetes.io/component: operator
{{- end }}
{{- end }}

{{/* All operators of the release, of every shard. */}}
{{- define "freehold.allSelector" -}}
matchLabels:
  app.kubernetes.io/name: {{ .Chart.Name }}
  app.kubernetes.io/instance: {{ .Release.Name }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: [operator, shard]
{{- end }}

{{- define "freehold.labels" -}}
{{ include "freehold.selectorLabels" . }}
app.kubernetes.io/part-of: freehold
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "freehold.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The settings as the environment that the operator reads: dnsMode is FREEHOLD_DNS_MODE. */}}
{{- define "freehold.environment" -}}
- name: FREEHOLD_LISTEN_ADDRESS
  value: 0.0.0.0:8080
{{- if .Values.leaderElection.enabled }}
- name: FREEHOLD_LEADER_ELECTION
  value: "true"
- name: FREEHOLD_LEASE_NAMESPACE
  value: {{ .Release.Namespace }}
- name: FREEHOLD_LEASE_NAME
  value: {{ include "freehold.shardName" . }}
{{- end }}
{{- if .Values.shards }}
- name: FREEHOLD_WATCH_LABEL_SELECTOR
  value: {{ include "freehold.labelSelector" . | quote }}
{{- end }}
{{- with .Values.watchNamespaces }}
- name: FREEHOLD_WATCH_NAMESPACE
  value: {{ join "," . | quote }}
{{- end }}
{{- range $key, $value := .Values.settings }}
{{- if kindIs "slice" $value }}
{{- $value = join "," $value }}
{{- end }}
{{- if ne (toString $value) "" }}
- name: FREEHOLD_{{ $key | snakecase | upper }}
  {{- /* A number in JSON is a float to Helm, and a large one would be written 1e+06. */}}
  value: {{ ternary (printf "%.0f" $value) (toString $value) (kindIs "float64" $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the servers are asked at that the settings name, as PORT/PROTOCOL. */}}
{{- define "freehold.dnsPorts" -}}
{{- $ports := list }}
{{- if eq .Values.settings.dnsMode "recursive" }}
{{- range .Values.settings.dnsServer }}
{{- if hasPrefix "tls://" . }}
{{- $ports = append $ports (printf "%s/TCP" (include "freehold.portOf" (list . "853"))) }}
{{- else if hasPrefix "https://" . }}
{{- $ports = append $ports (printf "%s/TCP" (include "freehold.portOf" (list . "443"))) }}
{{- else }}
{{- $port := include "freehold.portOf" (list . "53") }}
{{- $ports = concat $ports (list (printf "%s/UDP" $port) (printf "%s/TCP" $port)) }}
{{- end }}
{{- end }}
{{- else }}
{{- range append (.Values.settings.dnsRoot | default (list "")) (printf ":%d" (int .Values.settings.dnsPort)) }}
{{- $port := include "freehold.portOf" (list . "53") }}
{{- $ports = concat $ports (list (printf "%s/UDP" $port) (printf "%s/TCP" $port)) }}
{{- end }}
{{- end }}
{{- uniq $ports | join " " }}
{{- end }}

{{/* The port of a server, or the usual one; the address is IPv4, or IPv6, which has a port only in brackets. */}}
{{- define "freehold.portOf" -}}
{{- $address := first . | trimPrefix "tls://" | trimPrefix "https://" | regexFind "^[^/#]*" }}
{{- ternary (regexFind "[0-9]+$" $address) (last .) (regexMatch "^([^:]*|\\[.*\\]):[0-9]+$" $address) }}
{{- end }}
