{{- define "freehold.name" -}}
{{- default .Chart.Name .Values.nameOverride }}
{{- end }}

{{/*
The name of the objects in the release's namespace. A Service's has no dots, begins with a letter and, with the longest
shard behind it, has 63 characters at most; it is cut without shards too, so that the first shard renames nothing.
*/}}
{{- define "freehold.fullname" -}}
{{- $chart := include "freehold.name" . }}
{{- $name := printf "%s-%s" .Release.Name $chart }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if regexMatch "^[0-9]" .Release.Name }}
{{- $name = printf "%s-%s" $chart .Release.Name }}
{{- else if contains $chart .Release.Name }}
{{- $name = .Release.Name }}
{{- end }}
{{- $name | replace "." "-" | trunc 42 | regexFind "^.*[^-]" }}
{{- end }}

{{/* The name of what several installs for different namespaces have side by side. */}}
{{- define "freehold.clusterName" -}}
{{- include "freehold.fullname" . }}{{ include "freehold.ofNamespace" . }}
{{- end }}

{{/* Behind a colon, which is in no other name: a namespace may be called as a name ends. */}}
{{- define "freehold.ofNamespace" -}}
{{- if .Values.watchNamespaces }}:{{ .Release.Namespace }}{{ end }}
{{- end }}

{{- define "freehold.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "freehold.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- .Values.serviceAccount.name }}
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
app.kubernetes.io/name: {{ include "freehold.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- if .Shard }}
app.kubernetes.io/component: shard
freehold.dev/shard: {{ .Shard | quote }}
{{- else }}
app.kubernetes.io/component: {{ .Component | default "operator" }}
{{- end }}
{{- end }}

{{/* All operators of the release, of every shard. */}}
{{- define "freehold.allSelector" -}}
matchLabels:
  app.kubernetes.io/name: {{ include "freehold.name" . | quote }}
  app.kubernetes.io/instance: {{ .Release.Name | quote }}
matchExpressions:
  - key: app.kubernetes.io/component
    operator: In
    values: [operator, shard, test]
{{- end }}

{{/* The chart's own labels win over those of the values. */}}
{{- define "freehold.labels" -}}
{{- $own := include "freehold.ownLabels" . | fromYaml }}
{{- toYaml (mergeOverwrite (deepCopy .Values.commonLabels) (.Labels | default dict) $own) }}
{{- end }}

{{- define "freehold.ownLabels" -}}
{{ include "freehold.selectorLabels" . }}
app.kubernetes.io/part-of: freehold
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "freehold.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "freehold.podSecurity" -}}
{{- toYaml (mergeOverwrite (include "freehold.ownPodSecurity" . | fromYaml) .Values.podSecurityContext) }}
{{- end }}

{{- define "freehold.ownPodSecurity" -}}
runAsNonRoot: true
{{- /* OpenShift gives each namespace users of its own, and refuses others. */}}
{{- if not (.Capabilities.APIVersions.Has "security.openshift.io/v1") }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "freehold.containerSecurity" -}}
{{- toYaml (mergeOverwrite (include "freehold.ownContainerSecurity" . | fromYaml) .Values.securityContext) }}
{{- end }}

{{- define "freehold.ownContainerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The settings as the environment that the operator reads: dnsMode is FREEHOLD_DNS_MODE. */}}
{{- define "freehold.environment" -}}
- name: FREEHOLD_LISTEN_ADDRESS
  # A pod may have IPv6 addresses alone; where it has none, the operator listens on 0.0.0.0.
  value: "[::]:8080"
{{- if .Values.leaderElection.enabled }}
- name: FREEHOLD_LEADER_ELECTION
  value: "true"
- name: FREEHOLD_LEASE_NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: FREEHOLD_LEASE_NAME
  value: {{ include "freehold.shardName" . | quote }}
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
{{- with .Values.extraEnv }}
{{ toYaml . }}
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

{{/* A duration in milliseconds. */}}
{{- define "freehold.milliseconds" -}}
{{- $text := . }}
{{- $sum := 0 }}
{{- range $unit, $factor := dict "d" 86400000 "h" 3600000 "m" 60000 "s" 1000 "ms" 1 }}
{{- with regexFind (printf "[0-9]+ ?%s([^a-z]|$)" $unit) $text }}
{{- $sum = add $sum (mul $factor (regexFind "[0-9]+" . | atoi)) }}
{{- end }}
{{- end }}
{{- $sum }}
{{- end }}
