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

{{- define "freehold.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
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
  value: {{ include "freehold.fullname" . }}
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
