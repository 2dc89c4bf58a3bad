{{- define "angarium.name" -}}
{{ contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* What everything of a release has. */}}
{{- define "angarium.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* By what pods of a role are found: a list of the root and the role. */}}
{{- define "angarium.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "angarium.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "angarium.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "angarium.name" .) }}
{{- end }}

{{/* The settings of every server, as variables; what is secret comes from the Secret. */}}
{{- define "angarium.environment" -}}
- name: ANGARIUM_DATABASE
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: database } }
- name: ANGARIUM_FABRIC
  value: {{ .Values.fabric }}
{{- if eq .Values.fabric "nats" }}
- name: ANGARIUM_NATS_SERVERS
  value: {{ join "," .Values.nats.servers | quote }}
- name: ANGARIUM_NATS_PREFIX
  value: {{ .Values.nats.prefix | quote }}
{{- with .Values.nats.user }}
- name: ANGARIUM_NATS_USER
  value: {{ . | quote }}
- name: ANGARIUM_NATS_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ $.Values.existingSecret }}, key: nats-password } }
{{- end }}
{{- end }}
- name: ANGARIUM_FILES_FOLDER
  value: /var/lib/angarium-files
{{- with .Values.publicUrl }}
- name: ANGARIUM_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.trustedProxies }}
- name: ANGARIUM_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- range $name, $value := .Values.settings }}
- name: ANGARIUM_{{ upper $name }}
  value: {{ kindIs "slice" $value | ternary (join "," $value) (toString $value) | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "angarium.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "angarium.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}
