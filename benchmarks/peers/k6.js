// One request an iteration, at a constant arrival rate, with VUS virtual users and no more.
import http from "k6/http";

const vus = Number(__ENV.VUS);

export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ["med", "p(99)", "p(99.9)", "max"],
  scenarios: {
    constant: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE),
      timeUnit: "1s",
      duration: `${__ENV.SECONDS}s`,
      preAllocatedVUs: vus,
      maxVUs: vus,
      gracefulStop: "10s",
    },
  },
};

export default function () {
  http.get(__ENV.URL);
}

export function handleSummary(data) {
  return { stdout: JSON.stringify(data.metrics) };
}
