{{/* The table of services, from the code. */}}
{{- define "tre.table" -}}
{{ .Files.Get "files/services.yaml" }}
{{- end }}

{{- define "tre.labels" -}}
app.kubernetes.io/part-of: tre
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* An image by digest; refused without one. */}}
{{- define "tre.image" -}}
{{- $digest := .image.digest | required (printf "%s.digest: images are named by digest (sha256:…)" .name) -}}
{{ .image.repository | required (printf "%s.repository is needed" .name) }}@{{ $digest }}
{{- end }}

{{- define "tre.databaseUrl" -}}
{{- if .Values.database.bundled.enabled -}}
postgresql://DATABASE-HOST/tre?sslmode=disable
{{- else -}}
{{ .Values.database.url | required "database.url is needed, or database.bundled.enabled for a trial" }}
{{- end -}}
{{- end }}

{{/* The section `mail` of tre.yaml, as JSON; nothing without a server. */}}
{{- define "tre.mail" -}}
{{- $mail := .Values.mail -}}
{{- if $mail.host -}}
{{- $found := dict "host" $mail.host "port" (int $mail.port) "security" $mail.security "digestHour" (int $mail.digestHour)
  "sender" ($mail.sender | required "mail.sender is needed: the address that letters come from") -}}
{{- if and .Values.networkPolicies.enabled (not $mail.addresses) -}}
{{- fail "mail.addresses is needed: network policies know addresses and no names" -}}
{{- end -}}
{{- if ne (empty $mail.user) (empty $mail.passwordSecret) -}}
{{- fail "mail.user and mail.passwordSecret belong together" -}}
{{- end -}}
{{- with $mail.user -}}{{- $_ := set $found "user" . -}}{{- end -}}
{{- if $mail.authorities -}}{{- $_ := set $found "authorities" "mail-authorities.pem" -}}{{- end -}}
{{- $found | toJson -}}
{{- end -}}
{{- end }}

{{/* Where the controller gets out to, beyond the cluster: rules of a network policy, as JSON. */}}
{{- define "tre.ways-out" -}}
{{- $rules := list -}}
{{- with .Values.mail -}}
{{- if .host -}}
{{- $to := list -}}
{{- range .addresses -}}{{- $to = append $to (dict "ipBlock" (dict "cidr" .)) -}}{{- end -}}
{{- $rules = append $rules (dict "ports" (list (dict "protocol" "TCP" "port" (int .port))) "to" $to) -}}
{{- end -}}
{{- end -}}
{{- range .Values.sources.reach -}}
{{- $rules = append $rules (dict "ports" (list (dict "protocol" "TCP" "port" (int .port))) "to" (list (dict "ipBlock" (dict "cidr" .address)))) -}}
{{- end -}}
{{- if $rules -}}{{- $rules | toJson -}}{{- end -}}
{{- end }}

{{/* tre.yaml */}}
{{- define "tre.settings" -}}
{{- $own := dict "base" (.Values.base | required "base is needed: the domain of the pages")
  "databaseUrl" (include "tre.databaseUrl" . | trim)
  "listenAddress" "0.0.0.0" "listenPort" (int .Values.gateway.port)
  "tls" (dict "certificate" "keys/tls.crt" "key" "keys/tls.key") -}}
{{- if hasKey .Values.settings "mail" -}}{{- fail "settings.mail: this chart writes it from mail" -}}{{- end -}}
{{- with include "tre.mail" . -}}{{- $_ := set $own "mail" (fromJson .) -}}{{- end -}}
{{- range $key, $value := .Values.settings -}}
{{- if hasKey $own $key -}}{{- fail (printf "settings.%s: this chart writes it from another value" $key) -}}{{- end -}}
{{- if not (kindIs "invalid" $value) -}}{{- $_ := set $own $key $value -}}{{- end -}}
{{- end -}}
{{- range $key, $value := $own }}
{{ $key }}: {{ if kindIs "float64" $value }}{{ int64 $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- end }}

{{/* One area of storage as cluster.yaml has it. */}}
{{- define "tre.area" -}}
{{- $node := .area.node -}}
{{- if not $node -}}
{{- $node = dict "kind" "hostPath" "path" (.area.hostPath | required (printf "storage.%s.hostPath or storage.%s.node is needed: how a node finds it" .name .name)) -}}
{{- end -}}
{{ dict "mountedAt" (printf "/srv/tre/%s" .name) "volume" $node "idmapped" .area.idmapped | toJson }}
{{- end }}

{{/* cluster.yaml */}}
{{- define "tre.cluster" -}}
{{- $workspace := include "tre.image" (dict "image" .Values.images.workspace "name" "images.workspace") -}}
images: {workspace: {{ $workspace | quote }}, door: {{ $workspace | quote }}{{ with .Values.images.workspace.builtAt }}, builtAt: {{ . | quote }}{{ end }}}
areas:
  - {{ include "tre.area" (dict "area" .Values.storage.data "name" "data") }}
  - {{ include "tre.area" (dict "area" .Values.storage.work "name" "work") }}
gateway:
  namespace: {{ .Release.Namespace }}
  podLabels: {app.kubernetes.io/part-of: tre, app.kubernetes.io/component: gateway}
namespace: {{ .Release.Namespace }}
gatewayCertificate: keys/gateway-door.crt
{{- range $key, $value := .Values.cluster }}
{{- if has $key (list "images" "areas" "gateway" "namespace" "gatewayCertificate") }}{{- fail (printf "cluster.%s: this chart writes it" $key) }}{{- end }}
{{ $key }}: {{ toJson $value }}
{{- end }}
{{- end }}

{{/* What every container of ours is. */}}
{{- define "tre.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Volumes of keys: whole Secrets are never shown, only the files that this program reads. */}}
{{- define "tre.key-sources" -}}
{{- $tls := .root.Values.gateway.tls.secretName -}}
{{- $bundled := .root.Values.database.bundled.enabled -}}
{{- $oidc := and (eq .name "hub") (eq (toString .root.Values.settings.auth) "oidc") -}}
{{- range .keys }}
{{- if or (ne .secret "tre-database-administrator") $bundled }}
- secret:
    name: {{ if and $tls (eq .secret "tre-gateway-tls") }}{{ $tls }}{{ else }}{{ .secret }}{{ end }}
    items:
      {{- range .files }}
      - {key: {{ . | quote }}, path: {{ . | quote }}}
      {{- end }}
{{- end }}
{{- end }}
{{- if eq .name "controller" }}
{{- with .root.Values.mail }}
{{- if and .host .passwordSecret }}
- secret:
    name: {{ .passwordSecret }}
    items: [{key: mail-password, path: mail-password}]
{{- end }}
{{- end }}
{{- with .root.Values.sources }}
{{- if ne (empty .keySecret) (empty .keys) -}}{{- fail "sources.keySecret and sources.keys belong together" -}}{{- end }}
{{- if .keySecret }}
- secret:
    name: {{ .keySecret }}
    items:
      {{- range .keys }}
      - {key: {{ printf "%s.key" . | quote }}, path: {{ printf "sources/%s.key" . | quote }}}
      {{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if $oidc }}
- secret:
    name: tre-oidc-client
    items: [{key: oidc-client-secret, path: oidc-client-secret}]
{{- end }}
{{- end }}

{{/* Files that a site gives, by the folder below /etc/tre in which services find them. */}}
{{- define "tre.given-files" -}}
airlock-policies: {{ toJson .Values.policies.airlock }}
dataset-policies: {{ toJson .Values.policies.datasets }}
population-policies: {{ toJson .Values.policies.populations }}
source-templates: {{ toJson .Values.sources.templates }}
grant-signers: {{ toJson .Values.grantSigners }}
manifest-signers: {{ toJson .Values.manifestSigners }}
practice-signers: {{ toJson .Values.practiceSigners }}
{{- end }}

{{/* Files of the chart as a service finds them below /etc/tre. */}}
{{- define "tre.given-volumes" -}}
- {name: settings, configMap: {name: tre-settings}}
- {name: policies, configMap: {name: tre-policies}}
{{- range $name, $_ := include "tre.given-files" . | fromYaml }}
- {name: {{ $name }}, configMap: {name: tre-{{ $name }}}}
{{- end }}
- {name: root, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
- {name: scratch, emptyDir: {sizeLimit: 1Gi}}
{{- end }}

{{- define "tre.given-mounts" -}}
- {name: settings, mountPath: /etc/tre/settings, readOnly: true}
- {name: policies, mountPath: /etc/tre/policies, readOnly: true}
{{- range $name, $_ := include "tre.given-files" . | fromYaml }}
- {name: {{ $name }}, mountPath: /etc/tre/{{ $name }}, readOnly: true}
{{- end }}
- {name: keys, mountPath: /etc/tre/keys, readOnly: true}
- {name: scratch, mountPath: /tmp}
- {name: root, mountPath: /srv/tre}
{{- end }}

{{- define "tre.mounts" -}}
{{- range .mounts }}
- {name: {{ .claim }}, mountPath: {{ printf "%s/%s" $.root .path }}{{ if .part }}, subPath: {{ .part }}{{ end }}{{ if .readOnly }}, readOnly: true{{ end }}}
{{- end }}
{{- end }}

{{- define "tre.claims" -}}
{{- $claims := dict -}}
{{- range .mounts -}}{{- $_ := set $claims .claim true -}}{{- end -}}
{{- range $claim, $_ := $claims }}
- name: {{ $claim }}
  persistentVolumeClaim: {claimName: {{ (index $.Values.storage $claim).claim | default (printf "tre-%s" $claim) }}}
{{- end }}
{{- end }}

{{- define "tre.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.images.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
