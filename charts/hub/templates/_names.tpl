{{- define "hub.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "hub.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "hub.labels" -}}
{{ include "hub.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: hub
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "hub.serviceAccount" -}}
{{- ternary (default (include "hub.fullname" .) .Values.serviceAccount.name) (default "default" .Values.serviceAccount.name) .Values.serviceAccount.create -}}
{{- end -}}

{{- define "hub.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* The namespace that is watched; empty for all. */}}
{{- define "hub.watched" -}}
{{- if eq .Values.rbac.scope "namespace" -}}
{{ default .Release.Namespace .Values.settings.watchNamespace }}
{{- else -}}
{{ default "" .Values.settings.watchNamespace }}
{{- end -}}
{{- end -}}

{{/* The Leases of this hub, by name, as hub/manager.py and hub/runtime/shard.py make them: a JSON list. */}}
{{- define "hub.leases" -}}
{{- $labels := default "" .Values.settings.watchLabelSelector -}}
{{- $watched := include "hub.watched" . -}}
{{- $base := "hub-leader" -}}
{{- if or $watched $labels -}}
{{- $base = printf "hub-leader-%s" (printf "%s/%s" $watched $labels | sha256sum | trunc 8) -}}
{{- end -}}
{{- $count := int (default 1 .Values.settings.shards) -}}
{{- $names := list -}}
{{- if eq $count 1 -}}
{{- $names = list $base -}}
{{- else -}}
{{- range until $count -}}
{{- $names = append $names (printf "%s-%d-of-%d" $base . $count) -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/*
The kinds of the hub by API group: {group: [plural, ...]} as JSON, read from the definitions, so that rights and kinds
cannot differ.
*/}}
{{- define "hub.kinds" -}}
{{- $groups := dict -}}
{{- range $path, $_ := .Files.Glob "files/crds/*.yaml" -}}
{{- $parts := splitn "_" 2 (trimSuffix ".yaml" (base $path)) -}}
{{- $known := default list (get $groups $parts._0) -}}
{{- $_ := set $groups $parts._0 (append $known $parts._1) -}}
{{- end -}}
{{- toJson $groups -}}
{{- end -}}
