-- What is sold: six meters, and three plans in currencies of 2, 0 and 3 decimals. Each plan charges every meter.
-- A GPU's usage is counted in thousandths of a GPU times seconds, and priced per GPU-hour: 3,600,000 of them.
SET ROLE billing_admin;
\o /dev/null
SELECT billing.create_legal_entity('cloud', name => 'GPU Cloud Example Ltd', country => 'DE', invoice_series => 'GC', payment_days => 14);

SELECT billing.create_meter('gpu_time', unit => 'milli-GPU-second', dimensions => '{model}', name => 'GPU time');
SELECT billing.create_meter('token_input', unit => 'token', dimensions => '{model}', name => 'Input tokens');
SELECT billing.create_meter('token_output', unit => 'token', dimensions => '{model}', name => 'Output tokens');
SELECT billing.create_meter('requests', unit => 'request', aggregation => 'count', name => 'Requests');
SELECT billing.create_meter('bytes', unit => 'byte', name => 'Traffic');
SELECT billing.create_meter('covered_devices', unit => 'device-day', dimensions => '{device_type}', name => 'Covered machines');

-- Prices of a GPU-hour: EUR for the first 10 hours of a month, up to 50, beyond; KWD beyond the 20 that are included.
CREATE TEMP TABLE gpu_prices (model text, first_hours text, more_hours text, beyond text, overage text);
INSERT INTO gpu_prices VALUES
    ('A10',     '1.10', '0.99', '0.935', '0.350'),
    ('G2',      '1.30', '1.17', '1.105', '0.410'),
    ('G3',      '2.60', '2.34', '2.21',  '0.825'),
    ('P100',    '0.90', '0.81', '0.765', '0.285'),
    ('T4',      '0.60', '0.54', '0.51',  '0.190'),
    ('V100M16', '1.80', '1.62', '1.53',  '0.570'),
    ('V100M32', '2.20', '1.98', '1.87',  '0.695');

-- Prices of a million tokens: EUR for the first 50,000 of a month, beyond; KWD beyond the 20,000 that are included.
CREATE TEMP TABLE token_prices (meter text, model text, first_tokens text, beyond text, overage text);
INSERT INTO token_prices VALUES
    ('token_input',  'code', '30.00', '24.00', '7.500'),
    ('token_input',  'conv', '15.00', '12.00', '3.750'),
    ('token_output', 'code', '90.00', '72.00', '22.500'),
    ('token_output', 'conv', '60.00', '48.00', '15.000');

-- metered: nothing fixed; each meter, and each GPU or language model, has its own graduated tiers.
SELECT billing.create_plan('metered', currency => 'EUR', period => '1 month', name => 'Metered');
SELECT billing.add_charge('metered', 'gpu-' || model, name => 'GPU ' || model, meter => 'gpu_time', filter => jsonb_build_object('model', model),
           price => jsonb_build_object('model', 'graduated', 'per', '3600000', 'tiers', jsonb_build_array(
               jsonb_build_object('up_to', '36000000', 'unit', first_hours),
               jsonb_build_object('up_to', '180000000', 'unit', more_hours),
               jsonb_build_object('up_to', NULL, 'unit', beyond))))
  FROM gpu_prices ORDER BY model;
SELECT billing.add_charge('metered', meter || '-' || model, name => CASE meter WHEN 'token_input' THEN 'Input' ELSE 'Output' END || ' tokens, ' || model, meter => meter,
           filter => jsonb_build_object('model', model),
           price => jsonb_build_object('model', 'graduated', 'per', '1000000', 'tiers', jsonb_build_array(
               jsonb_build_object('up_to', '50000', 'unit', first_tokens),
               jsonb_build_object('up_to', NULL, 'unit', beyond))))
  FROM token_prices ORDER BY meter, model;
SELECT billing.add_charge('metered', 'requests', name => 'Requests', meter => 'requests',
           price => '{"model": "graduated", "tiers": [{"up_to": "20", "unit": "0"}, {"up_to": null, "unit": "0.0125"}]}');
SELECT billing.add_charge('metered', 'bytes', name => 'Traffic', meter => 'bytes',
           price => '{"model": "graduated", "per": "1000000000", "tiers": [{"up_to": "10000000", "unit": "9.00"}, {"up_to": null, "unit": "7.50"}]}');
SELECT billing.add_charge('metered', 'machines', name => 'Covered machines', meter => 'covered_devices',
           price => '{"model": "graduated", "tiers": [{"up_to": "5", "unit": "0"}, {"up_to": null, "unit": "0.15"}]}');

-- fixed: one fee in advance; usage is on the invoice, and costs nothing.
SELECT billing.create_plan('fixed', currency => 'JPY', period => '1 month', name => 'Fixed');
SELECT billing.add_charge('fixed', 'base', name => 'Base fee', price => '{"model": "flat", "amount": "98000"}', in_advance => true);
SELECT billing.add_charge('fixed', 'gpu-' || model, name => 'GPU ' || model, meter => 'gpu_time', filter => jsonb_build_object('model', model),
           price => '{"model": "unit", "unit": "0"}')
  FROM gpu_prices ORDER BY model;
SELECT billing.add_charge('fixed', m.meter_id, name => m.name, meter => m.meter_id, price => '{"model": "unit", "unit": "0"}')
  FROM billing.meters m WHERE m.meter_id <> 'gpu_time' ORDER BY m.created_at, m.meter_id;

-- hybrid: a fee in arrears includes some of everything; what is above is charged.
SELECT billing.create_plan('hybrid', currency => 'KWD', period => '1 month', name => 'Hybrid');
SELECT billing.add_charge('hybrid', 'base', name => 'Base fee', price => '{"model": "flat", "amount": "24.500"}');
SELECT billing.add_charge('hybrid', 'gpu-' || model, name => 'GPU ' || model, meter => 'gpu_time', filter => jsonb_build_object('model', model),
           price => jsonb_build_object('model', 'graduated', 'per', '3600000', 'tiers', jsonb_build_array(
               jsonb_build_object('up_to', '72000000', 'unit', '0'),
               jsonb_build_object('up_to', NULL, 'unit', overage))))
  FROM gpu_prices ORDER BY model;
SELECT billing.add_charge('hybrid', meter || '-' || model, name => CASE meter WHEN 'token_input' THEN 'Input' ELSE 'Output' END || ' tokens, ' || model, meter => meter,
           filter => jsonb_build_object('model', model),
           price => jsonb_build_object('model', 'graduated', 'per', '1000000', 'tiers', jsonb_build_array(
               jsonb_build_object('up_to', '20000', 'unit', '0'),
               jsonb_build_object('up_to', NULL, 'unit', overage))))
  FROM token_prices ORDER BY meter, model;
SELECT billing.add_charge('hybrid', 'requests', name => 'Requests', meter => 'requests',
           price => '{"model": "graduated", "tiers": [{"up_to": "40", "unit": "0"}, {"up_to": null, "unit": "0.0045"}]}');
SELECT billing.add_charge('hybrid', 'bytes', name => 'Traffic', meter => 'bytes',
           price => '{"model": "graduated", "per": "1000000000", "tiers": [{"up_to": "5000000", "unit": "0"}, {"up_to": null, "unit": "2.850"}]}');
SELECT billing.add_charge('hybrid', 'machines', name => 'Covered machines', meter => 'covered_devices', price => '{"model": "unit", "unit": "0.045"}');

SELECT billing.publish_plan(plan) FROM unnest('{metered,fixed,hybrid}'::text[]) AS plan;
\o
SELECT count(*) FROM billing.charges;
