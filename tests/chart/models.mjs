// Reads a JSON list of Kubernetes objects; prints a line for each that kubernetes-models, found in the folder of the first
// argument, says something against, or does not know.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "index.js"));
const packages = {
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator/monitoring.coreos.com",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api/gateway.networking.k8s.io",
  "cert-manager.io": "@kubernetes-models/cert-manager/cert-manager.io",
};

function model({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const folder = packages[group] ?? (group ? `kubernetes-models/${group}` : "kubernetes-models");
  return require(`${folder}/${version}/${kind}`)[kind];
}

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new (model(object))(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message.split("\n").slice(0, 3).join(" ")}`);
  }
}
