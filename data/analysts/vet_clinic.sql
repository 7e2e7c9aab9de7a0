CREATE TABLE species (species_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO species VALUES (1,'Dog'),(2,'Cat'),(3,'Rabbit'),(4,'Guinea pig'),(5,'Parrot'),(6,'Tortoise'),(7,'Ferret');
CREATE TABLE vets (vet_id INTEGER PRIMARY KEY, full_name TEXT NOT NULL, speciality TEXT, hired_on DATE NOT NULL, left_on DATE, is_partner INTEGER NOT NULL DEFAULT 0);
INSERT INTO vets VALUES (1,'Dr. Imogen Hartley','Surgery','2012-03-01',NULL,1),(2,'Dr. Rafael Quintas','Small animals','2015-09-14',NULL,1),(3,'Dr. Suki Barrow','Dentistry','2018-01-08',NULL,0),(4,'Dr. Owen Prosser','Small animals','2019-06-03','2023-08-31',0),(5,'Dr. Leila Mansour','Exotics','2021-02-15',NULL,0),(6,'Dr. Greta Nyholm',NULL,'2023-10-02',NULL,0),(7,'Dr. Patrick Dunmore','Dermatology','2025-01-06',NULL,0);
CREATE TABLE owners (owner_id INTEGER PRIMARY KEY, first_name TEXT NOT NULL, last_name TEXT NOT NULL, phone TEXT, email TEXT, town TEXT NOT NULL, registered_on DATE NOT NULL, insurance_company TEXT, newsletter INTEGER NOT NULL DEFAULT 1);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<220)
INSERT INTO owners SELECT i,
 '["Abigail","Bruno","Cerys","Declan","Esme","Farid","Gwen","Hugo","Ines","Jack","Keira","Liam","Marta","Noel","Olive","Piotr","Rhian","Sean","Tamsin"]' ->> (i%19),
 '["Ackroyd","Bevan","Cradock","Dabrowski","Ellery","Fenn","Griffith","Hathaway","Islam","Jowett","Kitson","Llewellyn","Maddox","Nash","Onslow","Pascoe","Quill","Rees","Stroud","Trigg","Upton","Vaughan","Wragg"]' ->> ((i*5+(i*i)%7)%23),
 CASE WHEN (i*i*3+i)%47<3 THEN NULL ELSE '07700 9'||printf('%05d',(i*i*37+i*6007)%100000) END,
 CASE WHEN (i*i+i*9)%53<9 THEN NULL ELSE 'owner'||i||'@mailbox.example' END,
 '["Abercwm","Llanfair","Penrhos","Abercwm","Tregarth","Brynmor","Abercwm","Llanfair"]' ->> ((i*i*5+i*23)%71%8),
 date('2018-01-10','+'||((i*i*13+i*641)%2640)||' days'),
 '["PawSure",null,null,"FurProtect",null,"VetPlan Direct","PawSure",null]' ->> ((i*i*7+i*3)%61%8), CASE WHEN (i*i*11+4)%59<19 THEN 0 ELSE 1 END FROM n;
CREATE TABLE animals (animal_id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL REFERENCES owners(owner_id), species_id INTEGER NOT NULL REFERENCES species(species_id), name TEXT NOT NULL, breed TEXT, sex TEXT CHECK (sex IN ('M','F','U')), neutered INTEGER, born_on DATE, died_on DATE, microchip_no TEXT, weight_kg REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<330),
a AS (SELECT i, 1+(i*i*3+i*57+i/7)%207 o, '[1,2,1,2,3,1,2,4,1,5,2,1,3,6,1,7,2]' ->> ((i*i*5+i*13)%101%17) sp, date('2009-05-04','+'||((i*i*29+i*811)%5500)||' days') b FROM n)
INSERT INTO animals SELECT i, o, sp,
 '["Bramble","Milo","Luna","Biscuit","Otto","Nala","Pepper","Ziggy","Hazel","Rolo","Willow","Monty","Tilly","Jasper","Poppy","Duke","Mabel","Coco","Rex","Saffron","Bandit","Pickle","Ivy","Bruce","Dottie","Fudge","Moss","Echo","Clover"]' ->> ((i*7+(i*i)%11)%29),
 CASE sp WHEN 1 THEN '["Labrador","Border Collie","Springer Spaniel","French Bulldog","Mixed","Dachshund"]' ->> ((i*i+i*5)%43%6) WHEN 2 THEN '["Domestic Shorthair","Maine Coon","Siamese","Domestic Shorthair","Ragdoll"]' ->> ((i*i+i*7)%41%5) WHEN 3 THEN '["Lop","Netherland Dwarf","Rex"]' ->> (i%3) ELSE NULL END,
 CASE WHEN sp IN (5,6) AND i%3=0 THEN 'U' WHEN (i*i*7+i)%37<18 THEN 'F' ELSE 'M' END, CASE WHEN sp IN (5,6) THEN NULL WHEN (i*i*3+i*11)%67<40 THEN 1 ELSE 0 END,
 CASE WHEN (i*i*17+i*3)%73<5 THEN NULL ELSE b END, CASE WHEN (i*i*5+i)%83<11 THEN date('2022-02-01','+'||((i*i*19+i*77)%1180)||' days') END,
 CASE WHEN sp IN (1,2) AND (i*i+i*3)%31>4 THEN '98102'||printf('%010d',(i*i*104729+i*7919)%9999999999) END,
 round(CASE sp WHEN 1 THEN 6+(i*i*11+i*37)%331*0.1 WHEN 2 THEN 2.8+(i*i*7+i*3)%59*0.1 WHEN 3 THEN 1.2+(i*i+i)%23*0.1 WHEN 4 THEN 0.7+(i%7)*0.1 WHEN 5 THEN 0.3+(i%5)*0.08 WHEN 6 THEN 1.5+(i*i)%29*0.1 ELSE 0.8+(i%9)*0.1 END,2) FROM a;
CREATE TABLE visits (visit_id INTEGER PRIMARY KEY, animal_id INTEGER NOT NULL REFERENCES animals(animal_id), vet_id INTEGER NOT NULL REFERENCES vets(vet_id), visit_date DATE NOT NULL, start_time TEXT, reason TEXT NOT NULL, status TEXT NOT NULL, is_emergency INTEGER NOT NULL DEFAULT 0, weight_kg REAL, diagnosis TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1250),
a AS (SELECT i, 1+(i*i*7+i*43+i/5)%313 an, date('2021-03-01','+'||((i*1.22) + (i*i*3+i*19)%9)||' days') d, (i*i*11+i*7)%103 h FROM n)
INSERT INTO visits SELECT i, an,
 CASE WHEN x=4 AND d>='2023-09-01' THEN 6 WHEN x=6 AND d<'2023-10-02' THEN 4*(d<'2023-08-31')+2*(d>='2023-08-31') WHEN x=7 AND d<'2025-01-06' THEN 2 ELSE x END, d,
 printf('%02d:%02d', 8+(i*i+i*3)%41%10, '[0,15,30,45]' ->> ((i*i*3+i)%29%4)), r,
 CASE WHEN h<7 THEN 'no-show' WHEN h<13 THEN 'cancelled' ELSE 'done' END, CASE WHEN r='Injury' AND (i*i)%19<9 OR (i*i*13+i)%89<4 THEN 1 ELSE 0 END,
 CASE WHEN h<13 OR (i*i*5+i*3)%31<6 THEN NULL ELSE round(w*(0.92+(i*i+i*7)%17*0.01),2) END,
 CASE WHEN h<13 OR r IN ('Vaccination','Check-up') AND (i*i+2*i)%23<17 THEN NULL ELSE '["Otitis","Gastroenteritis","Dental tartar","Fracture","Allergic dermatitis","Obesity","Arthritis","Abscess","Parasites"]' ->> ((i*i*3+i*17)%79%9) END
 FROM (SELECT a.*, animals.weight_kg w, died_on, '[1,2,3,4,5,6,2,1,4,7,5]' ->> ((i*i*5+i*29)%97%11) x, '["Check-up","Vaccination","Injury","Skin problem","Check-up","Dental","Vaccination","Digestive","Surgery","Follow-up"]' ->> ((i*i*7+i*61)%107%10) r FROM a JOIN animals ON animal_id=an) WHERE died_on IS NULL OR d<=died_on;
CREATE TABLE treatments (treatment_id INTEGER PRIMARY KEY, visit_id INTEGER NOT NULL REFERENCES visits(visit_id), item TEXT NOT NULL, category TEXT NOT NULL, quantity INTEGER NOT NULL, unit_price REAL NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2100),
a AS (SELECT i, 1+(i*i*3+i*101)%1249 v, (i*i*11+i*5)%131%14 k FROM n)
INSERT INTO treatments SELECT i, v, '["Consultation","Antibiotic tablets","Ear drops","X-ray","Blood panel","Tooth extraction","Anti-inflammatory","Flea treatment","Consultation","Nail clipping","Wound dressing","Special diet food","Ultrasound","Consultation"]' ->> k,
 '["Exam","Drug","Drug","Imaging","Lab","Procedure","Drug","Drug","Exam","Procedure","Procedure","Food","Imaging","Exam"]' ->> k,
 CASE WHEN k IN (1,6) THEN 5+(i*i+i)%17 WHEN k IN (5,10,11) THEN 1+(i*i*3+i)%19%4 ELSE 1 END,
 '[38,1.2,14.5,95,72,48,0.9,17.5,38,12,9.5,23,110,38]' ->> k FROM a JOIN visits ON visit_id=v WHERE status='done';
CREATE TABLE vaccinations (vaccination_id INTEGER PRIMARY KEY, animal_id INTEGER NOT NULL REFERENCES animals(animal_id), vet_id INTEGER REFERENCES vets(vet_id), vaccine TEXT NOT NULL, batch_no TEXT, given_on DATE NOT NULL, next_due DATE);
INSERT INTO vaccinations SELECT visit_id*2+1, v.animal_id, vet_id, CASE species_id WHEN 1 THEN '["DHP","Leptospirosis","Rabies","Kennel cough"]' ->> ((visit_id*visit_id*3+visit_id)%41%4) WHEN 2 THEN '["Feline trio","FeLV","Rabies"]' ->> ((visit_id*visit_id+5)%37%3) ELSE 'Myxo-RHD' END, CASE WHEN visit_id%17=3 THEN NULL ELSE 'B'||(1000+(visit_id*visit_id*7)%613) END, visit_date, CASE WHEN (visit_id*visit_id*5)%61<5 THEN NULL ELSE date(visit_date,'+1 year') END
 FROM visits v JOIN animals a ON v.animal_id=a.animal_id WHERE status='done' AND species_id IN (1,2,3,7) AND (reason='Vaccination' OR (visit_id*visit_id*11)%53<7);
CREATE TABLE invoices (invoice_id INTEGER PRIMARY KEY, visit_id INTEGER NOT NULL REFERENCES visits(visit_id), owner_id INTEGER NOT NULL REFERENCES owners(owner_id), issued_on DATE NOT NULL, total REAL NOT NULL, amount_paid REAL NOT NULL DEFAULT 0, paid_on DATE, payment_method TEXT);
INSERT INTO invoices SELECT 50000+vid, vid, owner_id, dt, t, CASE WHEN h<7 THEN 0 WHEN h<11 THEN round(t*0.4,2) ELSE t END, CASE WHEN h<11 THEN NULL ELSE date(dt,'+'||('[0,0,0,7,0,21,3,0,34]' ->> ((vid*vid*3+vid)%43%9))||' days') END, CASE WHEN h<7 THEN NULL ELSE '["card","card","cash","transfer","card","insurance"]' ->> ((vid*vid+vid*3)%37%6) END
 FROM (SELECT v.visit_id vid, a.owner_id, visit_date dt, round(SUM(quantity*unit_price)*1.0,2) t, (v.visit_id*v.visit_id*7+v.visit_id*5)%101 h FROM visits v JOIN treatments tr ON tr.visit_id=v.visit_id JOIN animals a ON a.animal_id=v.animal_id WHERE (v.visit_id*v.visit_id+3)%71>2 GROUP BY v.visit_id);
