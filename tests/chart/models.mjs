// Reads a JSON list of Kubernetes objects; prints a line for each that kubernetes-models, found in the folder of the first
// argument, says something against, or does not know.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folders = {
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator/monitoring.coreos.com",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api/gateway.networking.k8s.io",
  "cert-manager.io": "@kubernetes-models/cert-manager/cert-manager.io",
};

async function model({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const file = join(process.argv[2], "node_modules", folders[group] ?? `kubernetes-models/${group}`, version, `${kind}.js`);
  return (await import(pathToFileURL(file)))[kind];
}

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    new (await model(object))(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message.split("\n").slice(0, 3).join(" ")}`);
  }
}
